package main

import "fmt"

// Version is set by the build's flags.
var Version = "development"

func main() {
	fmt.Println("app", Version)
}
