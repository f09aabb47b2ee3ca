package e2e

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

// page is the commands of docs/restore.md, by heading.
func page(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/restore.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := map[string]string{}
	for _, m := range regexp.MustCompile("(?ms)^## ([^\n]+)\n(.*?)(?:^## |\\z)").FindAllStringSubmatch(strings.ReplaceAll(string(text), "\n## ", "\n## \n## "), -1) {
		for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(m[2], -1) {
			commands[m[1]] += block[1]
		}
	}
	return commands
}

// follow runs the commands below a heading as a reader would.
func follow(t *testing.T, heading string, env ...string) {
	t.Helper()
	commands := page(t)
	if commands["Names"] == "" || commands[heading] == "" {
		t.Fatalf("docs/restore.md has no commands below %q", heading)
	}
	shell := exec.Command("sh", "-eu")
	shell.Stdin = strings.NewReader("umask 022\n" + commands["Names"] + commands[heading])
	shell.Env = append(append(os.Environ(), "PATH="+filepath.Dir(blackbox.Binary())+":"+os.Getenv("PATH")), env...)
	if said, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", heading, err, said)
	}
}

// private checks that nobody but the owner may read what is in a folder, and returns what all its files hold.
func private(t *testing.T, folder string) []byte {
	t.Helper()
	var all bytes.Buffer
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		if d.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.Bytes()
}

// TestAShopIsRestoredByItsPage backs up a shop that sells with the commands of docs/restore.md, and restores it with them in an empty
// folder: every order that was answered before the backup is there. Backups are private and hold no secret in clear, and without the keys
// nothing starts.
func TestAShopIsRestoredByItsPage(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the page is for a Unix shell")
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		engine.Binary(t, "sqlite3", "sqlite3")
		restored(t, "SQLite", nil, func(*testing.T) []string { return nil }, nil)
	})
	t.Run("PostgreSQL", restoredPostgreSQL)
	t.Run("MySQL", func(t *testing.T) {
		t.Parallel()
		engine.Binary(t, "mariadb-dump", "mariadb-client")
		address := engine.MySQL(t)
		config, err := mysql.ParseDSN(address)
		if err != nil {
			t.Fatal(err)
		}
		host, port, err := net.SplitHostPort(config.Addr)
		if err != nil {
			t.Fatal(err)
		}
		home := t.TempDir()
		text := fmt.Sprintf("[client]\nprotocol=tcp\nhost=%s\nport=%s\nuser=%s\npassword=%s\n", host, port, config.User, config.Passwd)
		if err := os.WriteFile(filepath.Join(home, ".my.cnf"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		copied := config.Clone()
		copied.DBName += "_restored"
		t.Cleanup(func() {
			db, err := sql.Open("mysql", address)
			if err == nil {
				_, err = db.Exec("DROP DATABASE IF EXISTS " + copied.DBName)
			}
			if err != nil {
				t.Error(err)
			}
		})
		restored(t, "MySQL", []string{"TIDEGATE_STORE_PRIMARY=" + address},
			func(*testing.T) []string { return []string{"TIDEGATE_STORE_PRIMARY=" + copied.FormatDSN()} },
			[]string{"HOME=" + home, "DATABASE=" + config.DBName, "RESTORED=" + copied.DBName})
	})
}

func restoredPostgreSQL(t *testing.T) {
	t.Parallel()
	engine.Binary(t, "pg_dump", "postgresql-client")
	address := engine.PostgreSQL(t)
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(at.Path, "/")
	copied := *at
	copied.Path += "_restored"
	t.Cleanup(func() { engine.Do(t, address, "DROP DATABASE IF EXISTS "+database+"_restored WITH (FORCE)") })
	password, _ := at.User.Password()
	restored(t, "PostgreSQL", []string{"TIDEGATE_STORE_PRIMARY=" + address},
		func(*testing.T) []string { return []string{"TIDEGATE_STORE_PRIMARY=" + copied.String()} },
		[]string{"PGHOST=" + at.Hostname(), "PGPORT=" + at.Port(), "PGUSER=" + at.User.Username(), "PGPASSWORD=" + password, "DATABASE=" + database, "RESTORED=" + database + "_restored"})
}

func restored(t *testing.T, name string, before []string, after func(*testing.T) []string, env []string) {
	shop := blackbox.New(t, before...)
	shop.Start()
	sku := shop.Stocked("MUG", 1000)
	tokens := shop.Tokens(firstCustomer, 20)
	code, secret, stderr := shop.Run("webhook", "create", "https://shop.example/hook", "--type", "order.paid.v1")
	if code != 0 {
		t.Fatal(stderr)
	}
	secret = regexp.MustCompile(`whsec_\S+`).FindString(secret)
	book := blackbox.NewBook(nil)
	sell := func(to *blackbox.Shop, round string) {
		var buying []blackbox.Purchase
		for i, token := range tokens {
			buying = append(buying, blackbox.Buying("", 1, firstCustomer+int64(i), token, round, sku))
		}
		to.Crowd(book, 4, nil, buying)
	}
	await.Until(t, "everybody has an order", func() bool { // a gate hears of new stock a moment after it was received
		sell(shop, "before")
		return len(book.Receipts) == len(tokens)
	})
	folder := t.TempDir()
	backup, keys := filepath.Join(folder, "backup"), filepath.Join(folder, "keys")
	env = append(env, "BACKUP="+backup, "KEYS="+keys)
	follow(t, "Back up "+name, append(env, "DATA="+shop.Folder)...)
	kept := private(t, backup)
	if len(secret) < 40 || bytes.Contains(kept, []byte(secret)) {
		t.Errorf("the backup holds the webhook's secret %q in clear", secret)
	}
	if !bytes.Contains(kept, []byte("https://shop.example/hook")) {
		t.Error("the backup does not hold the webhook")
	}
	private(t, keys)
	sell(shop, "before") // the same again: replays, while the backup is made or not
	shop.Stop()

	again := blackbox.New(t, after(t)...)
	follow(t, "Restore "+name, append(append(env, "DATA="+again.Folder), after(t)...)...)
	private(t, again.Folder)
	if err := os.Rename(filepath.Join(again.Folder, "keys"), filepath.Join(folder, "away")); err != nil {
		t.Fatal(err)
	}
	if code, _, said := again.Run("serve"); code != 3 || !strings.Contains(said, "encryption.key") || !strings.Contains(said, "restore.md") {
		t.Errorf("without the keys the restored shop says %q, exit %d", said, code)
	}
	if err := os.RemoveAll(filepath.Join(again.Folder, "keys")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(folder, "away"), filepath.Join(again.Folder, "keys")); err != nil {
		t.Fatal(err)
	}
	again.Start()
	again.VerifyOrders(book)
	sell(again, "after")
	again.Audit("I1", "I2", "I3", "I4")
}
