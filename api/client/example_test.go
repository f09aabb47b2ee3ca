package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tidegate/tidegate/api/client"
	"github.com/tidegate/tidegate/internal/app"
)

// demoShop runs a demonstration in this process and returns its address, and a customer's address and password.
func demoShop() (base, email, password string, stop func()) {
	c := app.DefaultConfig()
	folder, err := os.MkdirTemp("", "tidegate-example-")
	if err != nil {
		panic(err)
	}
	c.Data = folder
	c.HTTP.Address, c.Express.Address, c.Ops.Address = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	ctx, end := context.WithCancel(context.Background())
	a, err := app.New(ctx, c, app.Options{Demo: true})
	if err != nil {
		panic(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	select {
	case <-a.Ready():
	case err := <-ended:
		panic(err)
	}
	return a.Addresses().Public, a.Demo().Email, a.Demo().Password, func() {
		end()
		if err := errors.Join(<-ended, a.Close(), os.RemoveAll(folder)); err != nil {
			panic(err)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Log in, look for something to buy, and buy it: once, however often its request has to be sent.
func Example() {
	base, email, password, stop := demoShop()
	defer stop()
	ctx := context.Background()

	visitor := must(client.New(base))
	session := must(visitor.LogInWithResponse(ctx, client.Login{Email: email, Password: password}))
	shop := must(client.New(base, client.WithToken(session.JSON201.AccessToken)))

	var sku string
	for product, err := range shop.Products(ctx, client.ListProductsParams{}) {
		if err != nil {
			panic(err)
		}
		sku = product.Variants[0].SkuId
		break
	}
	purchase := client.Purchase{Lines: []client.OrderRequestLine{{SkuId: sku, Quantity: 1}}, Key: client.NewKey()}
	first := must(shop.Buy(ctx, purchase))
	again := must(shop.Buy(ctx, purchase)) // as after a lost reply
	fmt.Println(first.Status, first.Id == again.Id)

	purchase = client.Purchase{Lines: []client.OrderRequestLine{{SkuId: "404", Quantity: 1}}}
	_, err := shop.Buy(ctx, purchase)
	if refused, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(refused.Status, refused.Code, errors.Is(err, client.CodeNotInSale))
	}
	for order := range shop.Orders(ctx) {
		fmt.Println(order.Status, order.Lines[0].Quantity)
	}
	// Output:
	// pending true
	// 422 not_in_sale true
	// pending 1
}
