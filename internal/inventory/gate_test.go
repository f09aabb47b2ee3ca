package inventory_test

import (
	"testing"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/inventory/gatetest"
)

func TestMemoryGate(t *testing.T) {
	gatetest.Gate(t, func(*testing.T) inventory.Gate { return inventory.NewMemoryGate() })
}
