package gate

import (
	_ "embed"

	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// The scripts. Redis executes each atomically, in one partition. They are called by hash, and sent in full to a server
// that does not know the hash.
var (
	//go:embed script/reserve.lua
	reserveText string
	//go:embed script/find.lua
	findText string
	//go:embed script/confirm.lua
	confirmText string
	//go:embed script/release.lua
	releaseText string
	//go:embed script/apply.lua
	applyText string
	//go:embed script/placed.lua
	placedText string
	//go:embed script/open_partition.lua
	openPartitionText string
	//go:embed script/add_partition.lua
	addPartitionText string
	//go:embed script/set_mark.lua
	setMarkText string
	//go:embed script/mark.lua
	markText string

	reserveScript       = rueidis.NewLuaScript(reserveText)
	findScript          = rueidis.NewLuaScript(findText)
	confirmScript       = rueidis.NewLuaScript(confirmText)
	releaseScript       = rueidis.NewLuaScript(releaseText)
	applyScript         = rueidis.NewLuaScript(applyText)
	placedScript        = rueidis.NewLuaScript(placedText)
	openPartitionScript = rueidis.NewLuaScript(openPartitionText)
	addPartitionScript  = rueidis.NewLuaScript(addPartitionText)
	setMarkScript       = rueidis.NewLuaScript(setMarkText)
	markScript          = rueidis.NewLuaScript(markText)
)

// Result codes of every script that could not do its work.
const (
	noPartition = -1 // the partition does not exist
	otherEpoch  = -2 // the partition belongs to another epoch
	notFilled   = -3 // placed.lua: an order without a reservation was passed by id only
)

// reply is a script's result: a number, or a verdict with its details.
type reply struct {
	number  int64 // numeric result: 1, noPartition or otherEpoch
	verdict inventory.Verdict
	order   id.Order
	// For find: the deadline of the order's reservation, as in inventory.Answer.
	deadline int64
	sku      id.SKU
	// For sold out in a sale: the units left of the SKU, the version of the partition and the length of its list of
	// holders, all after the request.
	left    int64
	version string
	holders int64
}

// readFound decodes the answer of find.lua.
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
