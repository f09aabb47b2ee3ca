// Package demo is the catalogue of a demo shop: about 3,270 gift-ware products of a real shop.
//
// The products come from "Online Retail", Chen, Sain and Guo (2012), UCI Machine Learning Repository. They are taken
// from the R package onlineretail, which publishes it as CC0 with the donor's permission. The command in generate made
// products.csv.gz from a list of that shop's stock codes.
package demo

import (
	"bytes"
	_ "embed" // for the products
	"io"
)

// Credit names the source of the products, in one line.
const Credit = `Products from "Online Retail", Chen, Sain and Guo (2012), UCI Machine Learning Repository, via the R package onlineretail (CC0)`

// Currency is the currency of the prices.
const Currency = "GBP"

//go:embed products.csv.gz
var products []byte

// Products returns the products as a gzipped CSV file in the shop's own columns, for productcsv.Open.
func Products() io.Reader { return bytes.NewReader(products) }
