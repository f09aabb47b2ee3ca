package wire

import (
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Sale is a sale as it is answered, without its items.
type Sale struct {
	ID             id.Sale
	Title          string
	Status         string
	StartsAt       time.Time
	EndsAt         time.Time
	Limit          int64 // units a customer; 0: none
	PaymentSeconds int64
	Version        int64
	ServerTime     time.Time
}

// SaleItem is an item of a sale as it is answered.
type SaleItem struct {
	SKU        id.SKU
	Product    id.Product
	Price      money.Amount
	ListPrice  money.Amount
	Allocation int64
	Available  int64
}

// AppendSale appends a sale and its items.
func AppendSale(b []byte, s *Sale, items []SaleItem) []byte {
	b = appendID(append(b, `{"id":`...), int64(s.ID))
	b = AppendText(append(b, `,"title":`...), s.Title)
	b = AppendText(append(b, `,"status":`...), s.Status)
	b = appendTime(append(b, `,"starts_at":`...), s.StartsAt)
	b = appendTime(append(b, `,"ends_at":`...), s.EndsAt)
	b = appendInt(append(b, `,"limit_per_customer":`...), s.Limit)
	b = appendInt(append(b, `,"payment_seconds":`...), s.PaymentSeconds)
	b = append(b, `,"items":[`...)
	for i := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendSaleItem(b, &items[i])
	}
	b = appendInt(append(b, `],"version":`...), s.Version)
	b = appendTime(append(b, `,"server_time":`...), s.ServerTime)
	return append(b, '}')
}

func appendSaleItem(b []byte, it *SaleItem) []byte {
	b = appendID(append(b, `{"sku_id":`...), int64(it.SKU))
	b = appendID(append(b, `,"product_id":`...), int64(it.Product))
	b = appendMoney(append(b, `,"price":`...), it.Price.Minor, it.Price.Currency)
	b = appendMoney(append(b, `,"list_price":`...), it.ListPrice.Minor, it.ListPrice.Currency)
	b = appendInt(append(b, `,"allocation":`...), it.Allocation)
	b = appendInt(append(b, `,"available":`...), it.Available)
	return append(b, '}')
}
