// Create, get, list, patch, replace and delete through the generated Go client; `drive URL`.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"clients/catalog"
)

const amount int64 = 5_000_000_000_000

var background = context.Background()

func main() {
	configuration := catalog.NewConfiguration()
	configuration.Servers[0].URL = os.Args[1]
	client := catalog.NewAPIClient(configuration)
	driveParts(client.PartsAPI)
	driveOperations(client)
	fmt.Println("driven")
}

func driveParts(api *catalog.PartsAPIService) {
	body := catalog.NewPartsCreate("bicycle")
	body.SetWeight(9.5)
	body.SetMaker(*catalog.NewPartsMaker("Ada"))
	spoke, wheel := catalog.NewPartsPiece("spoke"), catalog.NewPartsPiece("wheel")
	spoke.SetCount(32)
	wheel.SetPieces([]catalog.PartsPiece{*spoke})
	body.SetPieces([]catalog.PartsPiece{*wheel})
	body.SetSecret("hunter22")
	created, _, err := api.CreateParts(background).PartsCreate(*body).Execute()
	expect(err == nil, err)
	id := created.GetId()

	read, _, err := api.GetParts(background, id).Execute()
	expect(err == nil, err)
	expect(read.GetPieces()[0].GetPieces()[0].GetCount() == 32, read)
	page, _, err := api.ListParts(background).Execute()
	expect(err == nil && len(page.GetItems()) > 0, err)

	patch := catalog.NewPartsPatch()
	patch.SetName("tandem")
	patch.SetNoteNil()
	patched, _, err := api.PatchParts(background, id).PartsPatch(*patch).Execute()
	expect(err == nil, err)
	expect(patched.GetName() == "tandem" && patched.GetWeight() == 9.5, patched)
	replaced, _, err := api.ReplaceParts(background, id).PartsReplace(*catalog.NewPartsReplace("tricycle")).Execute()
	expect(err == nil && replaced.GetName() == "tricycle", err)

	_, response, err := api.DeleteParts(background, id).Execute()
	expect(err == nil && response.StatusCode == 204, err)
	_, response, err = api.GetParts(background, id).Execute()
	expect(err != nil && response.StatusCode == 404, err)
}

func driveOperations(client *catalog.APIClient) {
	body := catalog.NewOperation2Create("go")
	body.SetAmount(amount)
	accepted, _, err := client.OperationAPI.CreateOperation2(background).Operation2Create(*body).Execute()
	expect(err == nil, err)
	for accepted.GetStatus() == "Pending" {
		time.Sleep(20 * time.Millisecond)
		accepted, _, err = client.OperationsAPI.GetOperation(background, accepted.GetId()).Execute()
		expect(err == nil, err)
	}
	expect(accepted.GetStatus() == "Succeeded", accepted)
	stored, _, err := client.OperationAPI.GetOperation2(background, "go").Execute()
	expect(err == nil && stored.GetAmount() == amount, err)
}

func expect(holds bool, what any) {
	if !holds {
		panic(fmt.Sprint(what))
	}
}
