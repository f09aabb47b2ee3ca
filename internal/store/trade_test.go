package store_test

import (
	"testing"

	"github.com/tidegate/tidegate/internal/store/storetest"
)

func TestStock(t *testing.T) { storetest.Stock(t, openSQLite) }

func TestSale(t *testing.T) { storetest.Sale(t, openSQLite) }

func TestOrder(t *testing.T) { storetest.Order(t, openSQLite) }

func TestEvent(t *testing.T) { storetest.Event(t, openSQLite) }
