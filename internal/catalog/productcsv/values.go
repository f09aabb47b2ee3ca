package productcsv

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// price reads a price in the shop's currency. It refuses an ambiguous price.
func price(text, currency string, shop money.Currency) (money.Amount, *fault.Error) {
	if c := strings.TrimSpace(currency); c != "" && !strings.EqualFold(c, string(shop)) {
		return money.Amount{}, fault.Bad("currency", "It is %q; the shop's currency is %s.", c, shop)
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return money.Amount{}, fault.Bad("price", "It is required.")
	}
	decimal := text
	whole, fraction, comma := strings.Cut(text, ",")
	if comma && !strings.ContainsAny(fraction, ",.") && !strings.Contains(whole, ".") && shop.Digits() != 0 {
		decimal = whole + "." + fraction
	}
	_, fraction, _ = strings.Cut(decimal, ".")
	if len(fraction) == 3 && shop.Digits() != 3 || comma && len(fraction) == 3 {
		return money.Amount{}, fault.Bad("price", "%.40q may be thousands or decimals: write it without separators of thousands, and with a decimal point, such as %s.",
			text, sample(shop))
	}
	a, err := money.Parse(decimal, shop)
	if err != nil {
		return a, fault.Bad("price", "%.40q is not a price: digits with a decimal point and at most %d decimals, such as %s.", text, shop.Digits(), sample(shop))
	}
	return a, nil
}

func sample(shop money.Currency) string { return money.Of(1250, shop).Decimal() }

// paths reads lists of paths: a > b | c.
func paths(text, between, inside string) (all [][]string) {
	for path := range strings.SplitSeq(text, between) {
		var titles []string
		for title := range strings.SplitSeq(path, inside) {
			titles = append(titles, strings.TrimSpace(title))
		}
		if len(titles) > 1 || titles[0] != "" {
			all = append(all, titles)
		}
	}
	return all
}

func attributes(text string) (all []catalog.Attribute, refusal *fault.Error) {
	for _, part := range cut(text, '|') {
		pair := cut(part, '=')
		if len(pair) < 2 {
			return nil, fault.Bad("attributes", "%.60q is not name=value.", part)
		}
		value := part[len(pair[0])+1:] // further = in the value need no backslash
		all = append(all, catalog.Attribute{Name: plain(pair[0]), Value: plain(value)})
	}
	return all, nil
}

func pictures(urls, alts string) (all []catalog.Picture, refusal *fault.Error) {
	for _, url := range cut(urls, '|') {
		all = append(all, catalog.Picture{URL: plain(url)})
	}
	words := cut(alts, '|')
	if len(words) > len(all) {
		return nil, fault.Bad("picture_alts", "There are %d for %d pictures.", len(words), len(all))
	}
	for i, alt := range words {
		all[i].Alt = plain(alt)
	}
	return all, nil
}

// cut splits text at separators without a backslash before them. Blank text has no parts.
func cut(text string, separator byte) (parts []string) {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	from := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, text[from:i])
			from = i + 1
		}
	}
	return append(parts, text[from:])
}

// plain removes escaping backslashes and surrounding space.
func plain(part string) string {
	part = strings.TrimSpace(part)
	if strings.IndexByte(part, '\\') < 0 {
		return part
	}
	var b strings.Builder
	for i := 0; i < len(part); i++ {
		if part[i] == '\\' && i+1 < len(part) {
			i++
		}
		b.WriteByte(part[i])
	}
	return b.String()
}

// escaped and escapedName write what plain and cut read. Only the name of an attribute ends at a =.
var (
	escaped     = strings.NewReplacer(`\`, `\\`, `|`, `\|`)
	escapedName = strings.NewReplacer(`\`, `\\`, `|`, `\|`, `=`, `\=`)
)

// formula holds the first characters of cells that a spreadsheet would calculate, including the full-width signs of
// East Asian keyboards.
const formula = "=+-@\t\r\n＝＋－＠"

// inert returns a cell as text for a spreadsheet, with a ' before what it would calculate. alive undoes it.
func inert(cell string) string {
	if calculates(strings.TrimLeft(cell, "'")) {
		return "'" + cell
	}
	return cell
}

func alive(cell string) string {
	if rest, ok := strings.CutPrefix(cell, "'"); ok && calculates(strings.TrimLeft(rest, "'")) {
		return rest
	}
	return cell
}

func calculates(cell string) bool {
	for _, r := range cell {
		return strings.ContainsRune(formula, r)
	}
	return false
}

// madeHandle makes a handle from a name in another shop or from a title. Equal texts give equal handles. If letters,
// signs or the end get lost, a checksum of the whole text makes the handle unique.
func madeHandle(name string) string {
	name = norm.NFC.String(name)
	slug := catalog.Slug(name)
	switch {
	case slug == "":
		return "product-" + sum(name)
	case !lossy(name) && len(slug) < slugBytesMax:
		return slug
	}
	return shorten(slug, catalog.HandleBytesMax) + "-" + sum(name)
}

// slugBytesMax is the length from which on catalog.Slug may have cut.
const slugBytesMax = catalog.HandleBytesMax - len("-10000")

// madeCode makes a stock code from a product's handle and a variant's options, for an empty cell. With exact it ends in
// a checksum of both. It also does if letters would get lost or the code would be too long.
func madeCode(handle string, options []string, exact bool) string {
	code := handle
	for _, o := range options {
		if s := catalog.Slug(o); s != "" {
			code += "-" + s
		}
		exact = exact || lossy(o)
	}
	if !exact && len(code) <= catalog.CodeBytesMax {
		return code
	}
	return shorten(code, catalog.CodeBytesMax) + "-" + sum(handle+"\x00"+strings.Join(options, "\x00"))
}

// lossy reports whether a slug would lose something that distinguishes text from others: a letter or digit that is not
// Latin, or a sign as in A+ and A-.
func lossy(text string) bool {
	for _, r := range norm.NFKD.String(text) {
		switch {
		case r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)), unicode.Is(unicode.Mn, r), unicode.IsSpace(r), strings.ContainsRune("-_,.'’/&()ßæœøđðþłıÆŒØĐÐÞŁ", r):
		default:
			return true
		}
	}
	return false
}

// shorten cuts a slug to make space for a checksum.
func shorten(slug string, most int) string {
	return strings.TrimRight(slug[:min(len(slug), most-1-len(sum("")))], "-")
}

// sum returns a checksum of a text.
func sum(text string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	return hex.EncodeToString(h.Sum(nil))
}

func rowsHave(n int64) string {
	if n == 1 {
		return "1 row has it"
	}
	return fmt.Sprintf("%d rows have it", n)
}
