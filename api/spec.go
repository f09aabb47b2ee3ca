package api

import _ "embed" // for the contract

//go:generate go tool oapi-codegen -config codegen.yaml openapi.yaml
//go:generate go tool oapi-codegen -config client/codegen.yaml openapi.yaml

// Spec is the contract, openapi.yaml, as it is served.
//
//go:embed openapi.yaml
var Spec []byte
