// Package greeting makes greetings.
package greeting

// For greets name.
func For(name string) string {
	return "hello, " + name
}
