package main

import (
	"slices"
	"strings"
	"unicode"
)

// small words stay lower case inside a title.
var small = []string{"A", "AN", "AND", "AS", "AT", "BY", "FOR", "FROM", "IN", "OF", "ON", "OR", "THE", "TO", "WITH"}

// titleCase writes upper-case words as a title.
func titleCase(words []string) string {
	out := make([]string, len(words))
	for i, word := range words {
		if i > 0 && slices.Contains(small, word) {
			out[i] = strings.ToLower(word)
			continue
		}
		out[i] = capital(word)
	}
	return strings.Join(out, " ")
}

// capital capitalises each part of a word: T-Light, Pink/White, 60cm, 50's, 3D.
func capital(word string) string {
	var b strings.Builder
	start := true
	for i, r := range word {
		switch {
		case start && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(r)
			start = unicode.IsDigit(r) && i+2 >= len(word) // 3D keeps its letter
		default:
			b.WriteRune(unicode.ToLower(r))
			start = start || strings.ContainsRune("-/&(\"", r)
		}
	}
	return b.String()
}

var colours = strings.Fields(`AMBER AMETHYST AQUA BEIGE BLACK BLUE BRONZE BROWN BURGUNDY CHOCOLATE CLEAR COLOURED COPPER CORAL CREAM CRYSTAL
	DARK DEEP FUCHSIA GOLD GREEN GREY HOT INDIGO IVORY JADE JET LEMON LIGHT LILAC MAGENTA MAUVE MINT MULTI MULTICOLOUR NATURAL NAVY OLIVE
	ORANGE PALE PEACH PEARL PINK PURPLE RED ROSE RUBY SILVER SKY TURQUOISE VIOLET WHITE WINE YELLOW COAL MULTICOLOURED DUSTY GREY/BLUE`)

// isColour reports whether word is a colour, or several joined by slashes.
func isColour(word string) bool {
	for part := range strings.SplitSeq(word, "/") {
		if !slices.Contains(colours, part) {
			return false
		}
	}
	return true
}

// shelves are the categories, each with words that put a product there. The first match wins, so purposes come before
// looks.
var shelves = []struct {
	path  []string
	words string
}{
	{[]string{"Seasonal", "Christmas"}, "CHRISTMAS XMAS ADVENT SANTA REINDEER SNOWMAN SNOWFLAKE SNOWFLAKES NOEL SLEIGH STOCKING RUDOLPH BAUBLE BAUBLES TINSEL NATIVITY"},
	{[]string{"Seasonal", "Easter"}, "EASTER BUNNY CHICK CHICKS"},
	{[]string{"Stationery", "Cards & Wrap"}, "WRAP CARD CARDS GIFTWRAP RIBBON RIBBONS ENVELOPE ENVELOPES TAGS POSTCARD TAPE TISSUE"},
	{[]string{"Stationery", "Paper & Pens"}, "NOTEBOOK NOTEPAD JOURNAL PEN PENS PENCIL PENCILS ERASER ERASERS RUBBER RULER STICKERS STICKER PAPER MEMO STAMP STAMPS SKETCHBOOK ORGANISER CALENDAR DIARY BOOKMARK CRAYONS CHALK CHALKBOARD BLACKBOARD PASSPORT"},
	{[]string{"Party"}, "PARTY BUNTING BALLOON BALLOONS NAPKINS PARASOL GARLAND STREAMERS PICNIC STRAWS CONFETTI BIRTHDAY DOILEY DOILIES SPARKLERS"},
	{[]string{"Kitchen", "Baking"}, "CAKE CAKES BAKING CAKESTAND COOKIE CUPCAKE CUPCAKES MOULD MOULDS JELLY MIXING WHISK PANTRY SIEVE ROLLING CUTTER CUTTERS CASES MEASURING"},
	{[]string{"Kitchen", "Tea & Coffee"}, "MUG MUGS TEA TEAPOT TEACUP COFFEE CUP CUPS SAUCER EGGCUP TEASPOON TEASPOONS CAFETIERE INFUSER"},
	{[]string{"Kitchen", "Tableware"}, "PLATE PLATES BOWL BOWLS GLASS GLASSES TUMBLER GOBLET JUG COASTER COASTERS PLACEMAT PLACEMATS TRAY SPOON SPOONS FORK CUTLERY DISH TRINKET COASTERS CARAFE DECANTER BUTTER"},
	{[]string{"Kitchen", "Linen & Aprons"}, "APRON APRONS TOWEL TOWELS OVEN TABLECLOTH COSY GLOVE GLOVES"},
	{[]string{"Kitchen", "Storage"}, "TIN TINS JAR JARS BREAD BIN CANISTER LUNCH SNACK BOX BOXES BOTTLE BOTTLES JAM CANNISTER FRIDGE MAGNETS MAGNET"},
	{[]string{"Home", "Candles & Scent"}, "CANDLE CANDLES T-LIGHT TLIGHT T-LIGHTS INCENSE CANDLEHOLDER CANDLESTICK SCENTED OIL FRAGRANCE LAVENDER BURNER POTPOURRI SACHET CANDLEPOT VOTIVE"},
	{[]string{"Home", "Lighting"}, "LANTERN LANTERNS LAMP LIGHT LIGHTS LAMPSHADE CHANDELIER TORCH LED"},
	{[]string{"Home", "Cushions & Textiles"}, "CUSHION CUSHIONS QUILT THROW RUG DOORMAT CURTAIN BLANKET FELT FABRIC BEDSPREAD HOTTIE MAT TEXTILE"},
	{[]string{"Home", "Clocks & Mirrors"}, "CLOCK CLOCKS MIRROR MIRRORS"},
	{[]string{"Home", "Furniture & Hooks"}, "CABINET CHAIR STOOL TABLE DRAWER DRAWERS SHELF HOOK HOOKS KNOB KNOBS HANGER HANGERS DOORKNOB STAND RACK CHEST LADDER BENCH SIDEBOARD DOORSTOP"},
	{[]string{"Home", "Signs & Pictures"}, "SIGN SIGNS FRAME FRAMES PICTURE PHOTO ALBUM PLAQUE LETTER LETTERS DECAL WALL POSTER CANVAS"},
	{[]string{"Garden"}, "GARDEN PLANT PLANTER POT POTS BIRD BIRDS BIRDHOUSE WATERING HERB FLOWER FLOWERS GNOME WINDMILL HAMMOCK SEEDS NESTING TRELLIS VASE FLOWERPOT WREATH"},
	{[]string{"Bags & Travel"}, "BAG BAGS PURSE SHOPPER TOTE BACKPACK SUITCASE LUGGAGE WALLET UMBRELLA HANDBAG CASE TRAVEL RUCKSACK WEEKEND HOLDALL"},
	{[]string{"Jewellery"}, "NECKLACE BRACELET EARRINGS RING RINGS BROOCH BEAD BEADS PENDANT EARRING BANGLE CHARM CHARMS JEWELLERY HAIRCLIP HAIRBAND DIAMANTE LARIAT CHOKER HAIRCLIPS HAIR"},
	{[]string{"Bath & Beauty"}, "SOAP BATH SHOWER BATHROOM COSMETIC MAKE-UP MANICURE BEAUTY TOOTHBRUSH PLASTERS MIRROR"},
	{[]string{"Toys & Games"}, "TOY TOYS GAME GAMES DOLL PUZZLE JIGSAW SKITTLES YOYO KIDS CHILDS CHILDRENS CHILDREN'S TEDDY BEAR ROBOT DINOSAUR INFLATABLE SKIPPING MARBLES DOMINOES BALL KNITTING CRAFT SEWING PLAYHOUSE SOLDIER DOGGY SPACEBOY PIRATE TRAIN RATTLE FINGER PUPPETS ABACUS LUDO SNAKES SPINNING TOP WHISTLE HARMONICA DOLLY CARD"},
	{[]string{"Home", "Ornaments"}, "HEART HEARTS ORNAMENT DECORATION DECORATIONS CHERUB ANGEL FAIRY BUTTERFLY FEATHER STAR STARS BELL CHIME HANGING WICKER CRYSTAL CERAMIC FIGURINE METAL WOODEN BASKET GLOBE RABBIT HEN OWL DOG CAT DUCK"},
}

var elsewhere = []string{"Gifts"}

func categoryOf(words []string) []string {
	for _, shelf := range shelves {
		marks := strings.Fields(shelf.words)
		for _, word := range words {
			if slices.Contains(marks, word) {
				return shelf.path
			}
		}
	}
	return elsewhere
}
