package gate

import (
	_ "embed"

	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// The scripts: each is one step that Redis carries out as a whole, in one room. They are sent by their hash, and whole to a
// server that does not know them.
var (
	//go:embed script/reserve.lua
	reserveText string
	//go:embed script/find.lua
	findText string
	//go:embed script/confirm.lua
	confirmText string
	//go:embed script/give_back.lua
	giveBackText string
	//go:embed script/apply.lua
	applyText string
	//go:embed script/placed.lua
	placedText string
	//go:embed script/open_room.lua
	openRoomText string
	//go:embed script/add_room.lua
	addRoomText string
	//go:embed script/set_mark.lua
	setMarkText string
	//go:embed script/mark.lua
	markText string

	reserveScript  = rueidis.NewLuaScript(reserveText)
	findScript     = rueidis.NewLuaScript(findText)
	confirmScript  = rueidis.NewLuaScript(confirmText)
	giveBackScript = rueidis.NewLuaScript(giveBackText)
	applyScript    = rueidis.NewLuaScript(applyText)
	placedScript   = rueidis.NewLuaScript(placedText)
	openRoomScript = rueidis.NewLuaScript(openRoomText)
	addRoomScript  = rueidis.NewLuaScript(addRoomText)
	setMarkScript  = rueidis.NewLuaScript(setMarkText)
	markScript     = rueidis.NewLuaScript(markText)
)

// What every script answers where it cannot do its work.
const (
	noRoom     = -1 // the room is not there
	otherEpoch = -2 // the room is of another epoch
	notFilled  = -3 // of placed.lua: an order has no reservation, and only its id was told
)

// reply is what a script answers: a number, or a verdict and what belongs to it.
type reply struct {
	number  int64 // of an answer that is a number: 1, noRoom, otherEpoch
	verdict inventory.Verdict
	order   id.Order
	sku     id.SKU
	// Of sold out in a sale: what is left of the SKU, and the version of the room and the length of its list of holders, all
	// three after the question.
	left    int64
	version string
	holders int64
}

// readFound reads the answer of find.lua.
func readFound(r rueidis.RedisResult) (reply, error) {
	m, err := r.ToMessage()
	if err != nil {
		return reply{}, err
	}
	if m.IsInt64() {
		n, err := m.AsInt64()
		return reply{number: n}, err
	}
	return readVerdict(&m)
}
