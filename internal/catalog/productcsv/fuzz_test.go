package productcsv_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/tidegate/tidegate/internal/catalog/productcsv"
)

// FuzzImport imports arbitrary bytes: the import ends, and every entry names its rows.
func FuzzImport(f *testing.F) {
	for _, seed := range []string{
		"handle,title,variant_code,price,currency\nmug,Mug,MUG,12.50,GBP\n", "Handle,Title,Variant SKU,Variant Price\nmug,Mug,MUG,12.50\n",
		"\ufeffhandle,title\n\"unclosed", "handle;title\n", "a,b\n\x00,\xff\n", "\"", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := productcsv.Open(t.Context(), bytes.NewReader(text), productcsv.Options{Currency: "GBP"})
		if err != nil {
			return
		}
		for entries := 0; ; entries++ {
			if _, err := r.Next(); errors.Is(err, io.EOF) || err != nil {
				return
			}
			if entries > len(text)+1 {
				t.Fatalf("%d bytes have given %d products", len(text), entries)
			}
		}
	})
}
