"""What users write: the three custom resources and their parts, as frozen pydantic models. The CRDs are generated from
them.
"""
