package main

// parts are what a full run does, in its order.
var parts = []part{
	{name: "simulation", folder: "./test/simulation", run: "^TestSeeds$", count: 100_000, units: "seeds"},
	{name: "model", folder: "./test/simulation/model", run: "^TestTheModelIsTheDatabase$", count: 20_000, units: "calls"},
	{name: "matrix", folder: "./test/matrix", run: "^TestMatrix$", count: 220, units: "moments in each configuration"},
}
