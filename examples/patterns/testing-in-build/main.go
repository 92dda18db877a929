package main

import "fmt"

// Sum adds its arguments.
func Sum(numbers ...int) int {
	total := 0
	for _, number := range numbers {
		total += number
	}
	return total
}

func main() {
	fmt.Println(Sum(1, 2, 3))
}
