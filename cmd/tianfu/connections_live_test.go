package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// TestConnectionsAreBounded holds the two connections that a real server takes: a
// third is told so, the two go on, and once one is closed another is served.
func TestConnectionsAreBounded(t *testing.T) {
	if code, _, errs := execute("serve", "--data", t.TempDir(), "--max-connections", "0"); code != 2 || !strings.Contains(errs, "--max-connections: 0 is out of range") {
		t.Errorf("no connections at all: %d %s", code, errs)
	}
	s := startServer(t, "--max-connections", "2")
	t.Setenv("TIANFU_TOKEN", s.token)
	open := func() net.Conn {
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	healthy := func(c net.Conn) {
		t.Helper()
		fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil || !strings.Contains(line, "200") {
			t.Errorf("an open connection is answered %q, %v", line, err)
		}
	}
	await := func(want string, code int) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			got, out, errs := execute("node", "list", "--server", "http://"+s.address)
			if got == code && strings.Contains(out+errs, want) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("node list: %d %s%s; want %d with %q", got, out, errs, code, want)
			}
		}
	}
	first, second := open(), open()
	defer second.Close()
	await("connection: 2 are open, the most that this centre takes at one time; close some and try again", 7)
	healthy(first)
	first.Close()
	await("healthy", 0)
	healthy(second)
}
