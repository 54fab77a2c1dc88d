//go:build !race

package application_test

const raceEnabled = false
