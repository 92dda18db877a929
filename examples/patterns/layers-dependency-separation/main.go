package main

import (
	"fmt"

	"example.com/layers/greeting"
)

func main() {
	fmt.Println(greeting.For("layers"))
}
