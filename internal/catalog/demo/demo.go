// Package demo is the catalogue of a shop to try: some 3,270 gift-ware products of a real shop.
//
// The products are made from "Online Retail", Chen, Sain and Guo (2012), UCI Machine Learning Repository, taken from the R
// package onlineretail, which publishes it as CC0 with the donor's permission. See the command in generate, which made
// products.csv.gz from a list of that shop's stock codes.
package demo

import (
	"bytes"
	_ "embed" // for the products
	"io"
)

// Credit names the source of the products, in one line.
const Credit = `Products from "Online Retail", Chen, Sain and Guo (2012), UCI Machine Learning Repository, via the R package onlineretail (CC0)`

// Currency is what the prices are in.
const Currency = "GBP"

//go:embed products.csv.gz
var products []byte

// Products returns the products as a gzipped file in the shop's own columns, for productcsv.Open.
func Products() io.Reader { return bytes.NewReader(products) }
