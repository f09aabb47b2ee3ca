package gate

import (
	_ "embed"
	"errors"
	"fmt"
	"strconv"

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
)

// reply is what a script answers: a number, or a verdict and what belongs to it.
type reply struct {
	number  int64 // of an answer that is a number: 1, noRoom, otherEpoch
	verdict inventory.Verdict
	order   id.Order
	sku     id.SKU
	// Of sold out in a sale: what is left of the SKU, the version of the room and the length of its list of holders.
	left    int64
	version string
	holders int64
}

// readReply reads the answer of reserve.lua or find.lua.
func readReply(r rueidis.RedisResult) (reply, error) {
	m, err := r.ToMessage()
	if err != nil {
		return reply{}, err
	}
	if m.IsInt64() {
		n, err := m.AsInt64()
		return reply{number: n, verdict: inventory.Reserved}, err
	}
	parts, err := m.ToArray()
	if err != nil {
		return reply{}, err
	}
	var all [5]string
	for i := range min(len(parts), len(all)) {
		if parts[i].IsInt64() {
			n, _ := parts[i].AsInt64() // it is one
			all[i] = strconv.FormatInt(n, 10)
			continue
		}
		if all[i], err = parts[i].ToString(); err != nil {
			return reply{}, err
		}
	}
	return readVerdict(all, len(parts))
}

func readVerdict(all [5]string, n int) (reply, error) {
	verdict, err := strconv.ParseUint(all[0], 10, 8)
	p := reply{verdict: inventory.Verdict(verdict)}
	var about, left, holders int64
	errs := []error{err}
	number := func(i int, into *int64) {
		if n > i {
			*into, err = strconv.ParseInt(all[i], 10, 64)
			errs = append(errs, err)
		}
	}
	number(1, &about)
	number(2, &left)
	number(4, &holders)
	switch p.verdict {
	case inventory.Same, inventory.OtherBody:
		p.order = id.Order(about)
	case inventory.SoldOut, inventory.NotLoaded:
		p.sku, p.left, p.version, p.holders = id.SKU(about), left, all[3], holders
	}
	if err := errors.Join(errs...); err != nil {
		return reply{}, fmt.Errorf("an answer of the gate's script cannot be read: %w", err)
	}
	return p, nil
}
