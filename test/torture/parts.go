package main

// parts are what a full run does, in its order.
var parts = []part{
	{name: "simulation", folder: "./test/simulation", run: "^TestSeeds$", count: 100_000, units: "seeds"},
	{name: "model", folder: "./test/simulation/model", run: "^TestTheModelIsTheDatabase$", count: 20_000, units: "calls"},
	{name: "gate-histories", folder: "./test/history", run: "^TestGateBy", count: 20_000, units: "histories by SKU, and as many by key"},
	{name: "server-histories", folder: "./test/history", run: "^TestServer$", count: 500, units: "histories"},
	{name: "matrix", folder: "./test/matrix", run: "^TestMatrix$", count: 220, units: "moments in each configuration"},
}
