package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"golang.org/x/sys/unix"
)

// holdResult is what the holder hands back, as one line of JSON.
type holdResult struct {
	Alive int    `json:"alive"` // connections that answered once more
	Error string `json:"error,omitempty"`
}

// runHold opens connections one after the other, sends one request on each and
// then holds them idle. When told to go on it asks each of them once more, so
// that a contestant which saved memory by closing them is found out.
//
// Arguments: port, path, connections.
func runHold(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 3 {
		return errors.New("want port, path, connections")
	}
	port, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	conns, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	request, buf := requestFor(port, args[1]), make([]byte, 4096)
	fds := make([]int, 0, conns)
	for range conns {
		fd, err := dial(port)
		if err == nil {
			err = ask(fd, request, buf)
		}
		if err != nil {
			return fmt.Errorf("connection %d: %w", len(fds)+1, err)
		}
		fds = append(fds, fd)
	}
	fmt.Fprintln(out, "ready")
	if _, err := bufio.NewReader(in).ReadString('\n'); err != nil {
		return err
	}
	var r holdResult
	for _, fd := range fds {
		if err := ask(fd, request, buf); err != nil {
			r.Error = err.Error()
		} else {
			r.Alive++
		}
		unix.Close(fd)
	}
	return json.NewEncoder(out).Encode(r)
}
