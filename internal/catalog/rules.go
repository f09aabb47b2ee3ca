package catalog

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// Limits of a product. Together they bound its encoded form to some hundred kilobytes; usually it has two.
const (
	// TitleRunesMax fits one line.
	TitleRunesMax = 255
	// DescriptionRunesMax fits a long article.
	DescriptionRunesMax = 50_000
	// OptionsMax is the limit of other shop systems; more options need a configurator.
	OptionsMax = 3
	// OptionRunesMax bounds an option's name and each value.
	OptionRunesMax = 120
	// VariantsMax fits 3 options of 8, 8 and 4 values.
	VariantsMax = 256
	// CodeBytesMax bounds a stock code; the longest barcodes have 48 characters.
	CodeBytesMax = 100
	// AttributesMax, AttributeNameRunesMax and AttributeValueRunesMax bound the facts about a product.
	AttributesMax          = 50
	AttributeNameRunesMax  = 80
	AttributeValueRunesMax = 1000
	// PicturesMax and PictureURLBytesMax bound the pictures.
	PicturesMax        = 50
	PictureURLBytesMax = 2000
	// PictureAltRunesMax bounds a picture's alternative text.
	PictureAltRunesMax = 255
	// ProductCategoriesMax bounds the categories of one product.
	ProductCategoriesMax = 20
	// PriceMinorMax is the highest list price, 10^10 minor units. With it the total of the largest order, 50 lines of
	// 1,000 units, still fits an amount.
	PriceMinorMax = 10_000_000_000
)

// Check trims the product's texts, derives a missing handle from the title, and checks everything that depends on the
// product alone. It returns fault.Invalid with the field.
func (p *Product) Check(shop money.Currency) error {
	if err := checkText("title", &p.Title, text.Line, 1, TitleRunesMax); err != nil {
		return err
	}
	if p.Handle == "" {
		p.Handle = Slug(p.Title)
	}
	if err := checkHandle("handle", p.Handle); err != nil {
		return err
	}
	if err := checkText("description", &p.Description, text.Block, 0, DescriptionRunesMax); err != nil {
		return err
	}
	switch p.Status {
	case "":
		p.Status = Draft
	case Draft, Published:
	default:
		return fault.Bad("status", "%q is not a status: draft or published.", p.Status)
	}
	if err := p.checkCategories(); err != nil {
		return err
	}
	if err := p.checkAttributes(); err != nil {
		return err
	}
	if err := p.checkPictures(); err != nil {
		return err
	}
	return p.checkVariants(shop)
}

func (p *Product) checkCategories() error {
	if len(p.Categories) > ProductCategoriesMax {
		return fault.Bad("categories", "There are %d; at most %d are allowed.", len(p.Categories), ProductCategoriesMax)
	}
	for i, c := range p.Categories {
		if slices.Contains(p.Categories[:i], c) {
			return fault.Bad(fmt.Sprintf("categories[%d]", i), "The category is named twice.")
		}
	}
	return nil
}

func (p *Product) checkAttributes() error {
	if len(p.Attributes) > AttributesMax {
		return fault.Bad("attributes", "There are %d; at most %d are allowed.", len(p.Attributes), AttributesMax)
	}
	for i := range p.Attributes {
		a := &p.Attributes[i]
		at := fmt.Sprintf("attributes[%d]", i)
		if err := checkText(at+".name", &a.Name, text.Name, 1, AttributeNameRunesMax); err != nil {
			return err
		}
		if err := checkText(at+".value", &a.Value, text.Block, 1, AttributeValueRunesMax); err != nil {
			return err
		}
		if slices.ContainsFunc(p.Attributes[:i], func(b Attribute) bool { return a.Name == b.Name }) {
			return fault.Bad(at+".name", "The attribute %q is named twice.", a.Name)
		}
	}
	return nil
}

func (p *Product) checkPictures() error {
	if len(p.Pictures) > PicturesMax {
		return fault.Bad("pictures", "There are %d; at most %d are allowed.", len(p.Pictures), PicturesMax)
	}
	for i := range p.Pictures {
		pic := &p.Pictures[i]
		at := fmt.Sprintf("pictures[%d]", i)
		pic.URL = strings.TrimSpace(pic.URL)
		if err := checkPictureURL(at+".url", pic.URL); err != nil {
			return err
		}
		if err := checkText(at+".alt", &pic.Alt, text.Line, 0, PictureAltRunesMax); err != nil {
			return err
		}
		if slices.ContainsFunc(p.Pictures[:i], func(b Picture) bool { return pic.URL == b.URL }) {
			return fault.Bad(at+".url", "The picture is named twice.")
		}
	}
	return nil
}

// checkPictureURL accepts absolute http and https addresses without user information. It rejects every other scheme,
// which a page might run.
func checkPictureURL(field, address string) error {
	if err := text.CheckAddress(field, address, PictureURLBytesMax); err != nil {
		return err
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(address, `<>"`) {
		return fault.Bad(field, "A picture is an address such as https://example.com/cup.jpg.")
	}
	return nil
}

func (p *Product) checkVariants(shop money.Currency) error {
	if len(p.Options) > OptionsMax {
		return fault.Bad("options", "There are %d; at most %d are allowed.", len(p.Options), OptionsMax)
	}
	for i := range p.Options {
		at := fmt.Sprintf("options[%d]", i)
		if err := checkText(at, &p.Options[i], text.Name, 1, OptionRunesMax); err != nil {
			return err
		}
		if slices.Contains(p.Options[:i], p.Options[i]) {
			return fault.Bad(at, "The option %q is named twice.", p.Options[i])
		}
	}
	switch n := len(p.Variants); {
	case n == 0:
		return fault.Bad("variants", "A product has at least one variant.")
	case n > VariantsMax:
		return fault.Bad("variants", "There are %d; at most %d are allowed.", n, VariantsMax)
	case n > 1 && len(p.Options) == 0:
		return fault.Bad("options", "A product with several variants names what they differ in, such as Colour.")
	}
	codes := make(map[string]bool, len(p.Variants))
	kinds := make(map[string]bool, len(p.Variants))
	for i := range p.Variants {
		v := &p.Variants[i]
		at := fmt.Sprintf("variants[%d]", i)
		if err := v.check(at, len(p.Options), shop); err != nil {
			return err
		}
		kind := strings.Join(v.Options, "\x00")
		if kinds[kind] {
			return fault.Bad(at+".options", "Another variant has the same options.")
		}
		if codes[v.Code] {
			return fault.Bad(at+".sku", "The SKU %q is used twice; give each variant its own.", v.Code)
		}
		codes[v.Code], kinds[kind] = true, true
	}
	return nil
}

func (v *Variant) check(at string, options int, shop money.Currency) error {
	if err := CheckCode(at+".sku", v.Code); err != nil {
		return err
	}
	if len(v.Options) != options {
		return fault.Bad(at+".options", "There are %d values for %d options.", len(v.Options), options)
	}
	for i := range v.Options {
		if err := checkText(fmt.Sprintf("%s.options[%d]", at, i), &v.Options[i], text.Name, 1, OptionRunesMax); err != nil {
			return err
		}
	}
	if v.Price.Currency != shop {
		return fault.Bad(at+".price.currency", "%q is not the shop's currency, %s.", v.Price.Currency, shop)
	}
	if v.Price.Minor < 0 || v.Price.Minor > PriceMinorMax {
		return fault.Bad(at+".price.minor", "It is %s; %s to %s is allowed.", v.Price.Decimal(), money.Of(0, shop).Decimal(), money.Of(PriceMinorMax, shop))
	}
	return nil
}

// CheckCode returns fault.Invalid with the field unless code is a valid stock code: 1 to CodeBytesMax printable ASCII
// characters without space at either end. Codes are compared by bytes, so nothing is trimmed or folded.
func CheckCode(field, code string) error {
	switch {
	case code == "":
		return fault.Bad(field, "It is required.")
	case len(code) > CodeBytesMax:
		return fault.Bad(field, "It has %d bytes; at most %d are allowed.", len(code), CodeBytesMax)
	case code[0] == ' ' || code[len(code)-1] == ' ':
		return fault.Bad(field, "A code begins and ends with something other than space.")
	}
	for i := range len(code) {
		if code[i] < ' ' || code[i] > '~' {
			return fault.Bad(field, "A code is printable ASCII characters.")
		}
	}
	return nil
}
