package main

import "time"

// parts are what a full run does, in its order.
var parts = []part{
	{name: "simulation", folder: "./test/simulation", run: "^TestSeeds$", count: 100_000, units: "seeds"},
	{name: "model", folder: "./test/simulation/model", run: "^TestTheModelIsTheDatabase$", count: 20_000, units: "calls"},
	{name: "gate-histories", folder: "./test/history", run: "^TestGateBy", count: 20_000, units: "histories by SKU, and as many by key, of each gate"},
	{name: "state-machines", folder: "./test/statemachine", run: ".", count: 5_000, units: "runs of each machine"},
	{name: "server-histories", folder: "./test/history", run: "^TestServer$", count: 500, units: "histories"},
	{name: "planted", folder: "./test/planted", program: true, count: 1, units: "run, each bug caught"},
	{name: "matrix", folder: "./test/matrix", run: "^TestMatrix$", parallel: 8, count: 220, units: "moments in each configuration"},
	{name: "queue-database", folder: "./test/queue", run: "^TestTheDatabaseStops$", count: 30, units: "seconds without a database"},
	{name: "vitess", folder: "./test/vitess", run: "^TestVitess$", count: 1, units: "run of conformance, a night, two processes and a kill"},

	// Native fuzzing of what faces outside: 11 minutes in all.
	{name: "fuzz-order", folder: "./internal/wire", run: "^FuzzDecodeOrder$", fuzz: 90 * time.Second},
	{name: "fuzz-order-handler", folder: "./internal/httpapi", run: "^FuzzOrderBody$", fuzz: 90 * time.Second},
	{name: "fuzz-notification", folder: "./internal/httpapi", run: "^FuzzNotification$", fuzz: time.Minute},
	{name: "fuzz-cursor", folder: "./internal/kernel/cursor", run: "^FuzzCursor$", fuzz: 30 * time.Second},
	{name: "fuzz-money", folder: "./internal/kernel/money", run: "^FuzzParse$", fuzz: 30 * time.Second},
	{name: "fuzz-id", folder: "./internal/kernel/id", run: "^FuzzParse$", fuzz: 30 * time.Second},
	{name: "fuzz-import", folder: "./internal/catalog/productcsv", run: "^FuzzImport$", fuzz: 90 * time.Second},
	{name: "fuzz-token", folder: "./internal/account", run: "^FuzzToken$", fuzz: time.Minute},
	{name: "fuzz-cashier", folder: "./internal/payment/sandbox", run: "^FuzzCommand$", fuzz: 30 * time.Second},
	{name: "fuzz-intents", folder: "./internal/order/queue", run: "^FuzzIntents$", fuzz: 30 * time.Second},
	{name: "fuzz-ticket", folder: "./internal/order", run: "^FuzzTicket$", fuzz: 30 * time.Second},
	{name: "fuzz-client", folder: "./internal/wire", run: "^FuzzClientAddress$", fuzz: 30 * time.Second},
	{name: "fuzz-settings", folder: "./internal/app/settings", run: "^FuzzFile$", fuzz: time.Minute},
}
