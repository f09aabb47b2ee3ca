package productcsv_test

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

type encodingCase struct {
	text, asked, encoding, title, refused string
	guessed                               bool
}

func encodingCases(t *testing.T) map[string]encodingCase {
	in := func(e encoding.Encoding, title string) string {
		t.Helper()
		text, err := e.NewEncoder().String("handle,title,sku,price\na," + title + ",A,1\n")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	le, be := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	const (
		simplified  = "不锈钢真空保温杯大容量便携式水壶"
		traditional = "不鏽鋼真空保溫杯大容量可攜式水壺"
		western     = "Crème brûlée – façon “Été” à 5 €"
		hangul      = "스테인리스 진공 보온병은 하루 종일 따뜻한 물을 마시는 사람에게"
		kana        = "ステンレスまほうびんのすいとう"
	)
	gbk := readCase(t, "07-gbk-rows.csv")
	return map[string]encodingCase{
		"UTF-8":                    {text: in(unicode.UTF8, simplified), encoding: "utf-8", title: simplified},
		"UTF-8 with its mark":      {text: "\ufeff" + in(unicode.UTF8, western), encoding: "utf-8", title: western},
		"UTF-16, little end first": {text: in(le, simplified), encoding: "utf-16le", title: simplified},
		"UTF-16, big end first":    {text: in(be, western), encoding: "utf-16be", title: western},
		"UTF-16 that is said":      {text: strings.TrimPrefix(in(le, western), "\xff\xfe"), asked: "utf-16le", encoding: "utf-16le", title: western},
		"GB18030":                  {text: in(simplifiedchinese.GB18030, simplified), encoding: "gb18030", title: simplified, guessed: true},
		"GBK that is said":         {text: in(simplifiedchinese.GBK, "杯"), asked: "GBK", encoding: "gbk", title: "杯"},
		"rows of GBK":              {text: gbk, encoding: "gb18030", title: "毛巾架", guessed: true},
		"Big5":                     {text: in(traditionalchinese.Big5, traditional), encoding: "big5", title: traditional, guessed: true},
		"Big5 that is said":        {text: in(traditionalchinese.Big5, "杯"), asked: "big5", encoding: "big5", title: "杯"},
		"Windows-1252":             {text: in(charmap.Windows1252, western), encoding: "windows-1252", title: western, guessed: true},
		"Latin-1":                  {text: in(charmap.ISO8859_1, "Café"), encoding: "windows-1252", title: "Café", guessed: true},
		"another that is said":     {text: in(korean.EUCKR, hangul), asked: "euc-kr", encoding: "euc-kr", title: hangul},
		"Korean":                   {text: in(korean.EUCKR, hangul), refused: "cannot be told"},
		"Japanese":                 {text: in(japanese.ShiftJIS, kana), refused: "cannot be told"},
		"Japanese of Unix":         {text: in(japanese.EUCJP, kana), refused: "cannot be told"},
		"Cyrillic":                 {text: in(charmap.Windows1251, "Чайник из нержавеющей стали"), refused: "cannot be told"},
		"Polish":                   {text: in(charmap.Windows1250, "Kubek łódzki żółty"), refused: "cannot be told"},
		"too little to tell":       {text: in(simplifiedchinese.GBK, "杯"), refused: "cannot be told"},
		"two encodings":            {text: in(unicode.UTF8, simplified) + in(simplifiedchinese.GBK, simplified), refused: "as of line 4"},
		"UTF-8 and Latin-1":        {text: in(unicode.UTF8, "Café") + in(charmap.Windows1252, "Café"), refused: "as of line 4"},
		"short Big5":               {text: in(traditionalchinese.Big5, "玻璃水杯"), encoding: "big5", title: "玻璃水杯", guessed: true},
		"short GB18030":            {text: in(simplifiedchinese.GB18030, "手机壳"), encoding: "gb18030", title: "手机壳", guessed: true},
		"with Latin words":         {text: in(simplifiedchinese.GB18030, "iPhone 15 手机壳 (蓝色)"), encoding: "gb18030", title: "iPhone 15 手机壳 (蓝色)", guessed: true},
		"German":                   {text: in(charmap.Windows1252, "Größe 5 × 7 cm für Bücher"), encoding: "windows-1252", title: "Größe 5 × 7 cm für Bücher", guessed: true},
		"one letter of GBK":        {text: in(simplifiedchinese.GBK, "手"), refused: "cannot be told"},
		"French":                   {text: in(charmap.Windows1252, "Œuvre «créée» à l’été – 10 € l’unité"), encoding: "windows-1252", title: "Œuvre «créée» à l’été – 10 € l’unité", guessed: true},
		"Czech":                    {text: in(charmap.Windows1250, "Žluťoučký kůň"), refused: "cannot be told"},
		"not what was said":        {text: in(charmap.Windows1252, "Café au lait"), asked: "utf-8", refused: "not UTF-8, as of line 2"},
		"not Big5":                 {text: in(charmap.Windows1252, "Café"), asked: "big5", refused: "not big5, as of line 2"},
		"a mark of another":        {text: "\ufeff" + in(unicode.UTF8, western), asked: "gb18030", refused: "begins with the mark of utf-8"},
		"no encoding":              {text: "handle\n", asked: "klingon", refused: "not an encoding"},
		"UTF-16 cut off":           {text: in(le, western)[:61], refused: "not utf-16le"},
	}
}
