package importrule

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// TestTheRepositoryKeepsTheRules is the check itself.
func TestTheRepositoryKeepsTheRules(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	if _, err := root.Open("go.mod"); err != nil {
		t.Fatalf("this is not the repository's root: %v", err)
	}
	found, err := Check(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Error(v)
	}
}

func TestTheCheckCanFail(t *testing.T) {
	t.Parallel()
	const us = Module + "/internal/"
	cases := []struct {
		file, imports string
		why           string // empty: allowed
	}{
		{"internal/kernel/id/id.go", us + "kernel/clock", ""},
		{"internal/kernel/id/id.go", "database/sql/driver", ""},
		{"internal/kernel/id/id.go", us + "catalog", "kernel imports nothing of ours"},
		{"internal/order/service.go", us + "sale", ""},
		{"internal/order/service.go", us + "kernel/fault", ""},
		{"internal/sale/service.go", us + "order", "the module order is not below sale"},
		{"internal/order/service.go", us + "payment", "the module payment is not below order"},
		{"internal/payment/sandbox/cashier.go", us + "payment", ""},
		{"internal/payment/sandbox/cashier.go", us + "store", "a module imports the kernel and the modules below it"},
		{"internal/catalog/cache.go", us + "telemetry", "a module imports the kernel and the modules below it"},
		{"internal/account/account.go", us + "order", "the module order is not below account"},
		{"internal/order/service.go", "database/sql", "it belongs to store"},
		{"internal/order/service.go", "github.com/redis/rueidis", "it belongs to redis"},
		{"internal/order/service.go", us + "app", "a module imports the kernel and the modules below it"},
		{"internal/order/service_test.go", us + "store", ""},
		{"internal/store/order.go", us + "order", ""},
		{"internal/store/order.go", "database/sql", ""},
		{"internal/store/storetest/order.go", us + "store", ""},
		{"internal/store/order.go", us + "httpapi", "an adapter never imports another"},
		{"internal/httpapi/order.go", us + "telemetry", ""},
		{"internal/httpapi/order.go", us + "wire", ""},
		{"internal/httpapi/order.go", Module + "/api", ""},
		{"internal/httpapi/order.go", us + "store", "an adapter never imports another"},
		{"internal/httpapi/order.go", us + "app", "an adapter imports modules, kernel, wire, telemetry and the contract"},
		{"internal/wire/decode.go", us + "kernel/fault", ""},
		{"internal/wire/decode.go", "net/http", "wire knows no HTTP library"},
		{"internal/wire/decode.go", us + "order", "wire imports only kernel"},
		{"internal/app/app.go", us + "store", ""},
		{"internal/app/app.go", Module + "/cmd/tidegate", "app is below cmd"},
		{"cmd/tidegate/main.go", us + "app", ""},
		{"cmd/tidegate/main.go", Module + "/api", ""},
		{"api/openapi.gen.go", us + "kernel/id", ""},
		{"api/openapi.gen.go", us + "wire", "api imports only kernel"},
		{"cmd/tidegate/main.go", us + "app/settings", ""},
		{"api/client/shop.go", us + "kernel/id", "api/client imports nothing of ours"},
		{"api/client/shop.go", Module + "/api", "api/client imports nothing of ours"},
		{"cmd/tidegate/main.go", us + "adminclient", ""},
		{"internal/adminclient/client.go", us + "app", "adminclient imports only kernel, api, catalog, audit"},
		{"cmd/tidegate/main.go", us + "store", "cmd imports only app, adminclient, drill, api, kernel"},
		{"cmd/tidegate/main.go", us + "kernel/money", ""},
		{"internal/novelty/x.go", us + "store", "the folder novelty is in no table of the import rules"},
		{"internal/telemetry/log.go", us + "catalog", "telemetry imports only kernel"},
		{"internal/testdata/x.go", us + "app", ""},
		{"internal/bus/bustest/fail.go", us + "await", ""},
		{"internal/shoptest/shop.go", us + "await", ""},
		{"internal/shoptest/shop.go", us + "httpapi", ""},
		{"internal/shoptest/shop.go", us + "app", "shoptest is below app"},
		{"test/blackbox/process.go", us + "await", ""},
		{"internal/app/run.go", us + "shoptest", "shoptest is for tests"},
		{"internal/store/order.go", us + "await", "await is for tests"},
		{"internal/await/await.go", us + "kernel/clock", "await imports nothing of ours"},
		{"cmd/tidegate/main.go", "github.com/spf13/cobra", ""},
	}
	for _, c := range cases {
		text := "package x\n\nimport _ \"" + c.imports + "\"\n"
		found, err := Check(fstest.MapFS{c.file: {Data: []byte(text)}})
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.file, err)
		case c.why == "" && len(found) > 0:
			t.Errorf("refused: %s", found[0])
		case c.why != "" && (len(found) != 1 || !strings.HasPrefix(found[0].Why, c.why)):
			t.Errorf("%s imports %s: got %v, want %q", c.file, c.imports, found, c.why)
		}
	}
}

func TestAFileThatIsNotGoIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := Check(fstest.MapFS{"internal/order/x.go": {Data: []byte("nonsense")}}); err == nil {
		t.Error("no error")
	}
}
