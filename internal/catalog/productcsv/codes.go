package productcsv

import (
	"context"
	"hash/maphash"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// codeUse counts the uses of a stock code in the file.
type codeUse struct {
	line, again int32 // of the first two uses
	given, made int32
}

// findCodes counts the uses of each stock code in the whole file.
func (r *Reader) findCodes(ctx context.Context) error {
	for i := range r.products {
		if err := ctx.Err(); err != nil {
			return fault.Wrap(fault.TimedOut, err, "The import was ended: nobody waits for it.")
		}
		e, err := r.entry(i)
		if err != nil {
			return err
		}
		if e.Refusal != nil {
			continue
		}
		for v := range e.Put.Product.Variants {
			if e.Put.Product.Variants[v].Code == "" {
				continue // rejected later as missing
			}
			line := int32(e.Rows[e.VariantRows[v]].Line)
			sum := maphash.String(r.seed, e.Put.Product.Variants[v].Code)
			u := r.codes[sum]
			if u.line == 0 {
				u.line = line
			} else if u.again == 0 {
				u.again = line
			}
			if e.Put.MadeCodes[v] {
				u.made++
			} else {
				u.given++
			}
			r.codes[sum] = u
		}
	}
	return nil
}

// settleCodes refuses duplicate codes. A generated code that collides with another gets a checksum.
func (r *Reader) settleCodes(e *catalog.Entry) {
	p := &e.Put.Product
	for i := range p.Variants {
		u := r.codes[maphash.String(r.seed, p.Variants[i].Code)]
		switch {
		case u.given+u.made < 2:
		case e.Put.MadeCodes[i]:
			p.Variants[i].Code = madeCode(p.Handle, p.Variants[i].Options, true)
		case u.given > 1:
			line := e.Rows[e.VariantRows[i]].Line
			other := int64(u.line)
			if other == line {
				other = int64(u.again)
			}
			e.RefusedRow, e.Refusal = e.VariantRows[i], fault.Bad("sku", "The code %q is used in line %d too.", p.Variants[i].Code, other)
			return
		}
	}
}
