// Command server answers every request with its version.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

// Version is set by the build.
var Version = "development"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		fmt.Println("server", Version)
		return
	}
	http.HandleFunc("/", func(response http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(response, "version %s, uid %d\n", Version, os.Getuid())
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}
