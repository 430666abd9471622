// Create, get, list, patch, replace and delete through the generated TypeScript client; `node drive.js URL`.
import { Configuration, OperationApi, OperationsApi, OperationStatusEnum, PartsApi, ResponseError } from "./catalog";

declare const process: { argv: string[]; exitCode: number };
const configuration = new Configuration({ basePath: process.argv[2] });
const AMOUNT = 5_000_000_000_000;

function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

async function driveParts(): Promise<void> {
  const api = new PartsApi(configuration);
  const pieces = [{ name: "wheel", pieces: [{ name: "spoke", count: 32 }] }];
  const partsCreate = { name: "bicycle", weight: 9.5, maker: { name: "Ada" }, pieces, secret: "hunter22" };
  const { id } = await api.createParts({ partsCreate });
  const read = await api.getParts({ id });
  expect(read.pieces?.[0]?.pieces?.[0]?.count === 32, "the pieces");
  expect(!("secret" in read), "no secret");
  const page = await api.listParts();
  expect(page.items.some((item) => item.id === id), "listed");
  const patched = await api.patchParts({ id, partsPatch: { name: "tandem", note: null } });
  expect(patched.name === "tandem" && patched.weight === 9.5, "patched");
  const replaced = await api.replaceParts({ id, partsReplace: { name: "tricycle" } });
  expect(replaced.name === "tricycle", "replaced");
  await api.deleteParts({ id });
  const gone = await api.getParts({ id }).catch((error: unknown) => error);
  expect(gone instanceof ResponseError && gone.response.status === 404, "gone");
}

async function driveOperations(): Promise<void> {
  const api = new OperationApi(configuration);
  let accepted = await api.createOperation2({ operation2Create: { id: "typescript", amount: AMOUNT } });
  while (accepted.status === OperationStatusEnum.Pending) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    accepted = await new OperationsApi(configuration).getOperation({ id: accepted.id });
  }
  expect(accepted.status === OperationStatusEnum.Succeeded, accepted.status);
  const stored = await api.getOperation2({ id: "typescript" });
  expect(stored.amount === AMOUNT, "the amount");
}

driveParts()
  .then(driveOperations)
  .then(() => console.log("driven"))
  .catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
