package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// stub is the least that a durable submission costs on this machine: it reads a
// JSON body, appends it to a file, makes a batch of what has come durable with
// one fsync, and answers with a number.
func stub(address, file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	type ask struct {
		body []byte
		done chan int
	}
	asks := make(chan ask, 4096)
	go func() {
		n := 0
		for a := range asks {
			batch := []ask{a}
			buffer := append(a.body, '\n')
			for more := true; more; {
				select {
				case a := <-asks:
					batch = append(batch, a)
					buffer = append(append(buffer, a.body...), '\n')
				default:
					more = false
				}
			}
			_, err := f.Write(buffer)
			if err == nil {
				err = f.Sync()
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "stub:", err)
				os.Exit(1)
			}
			for _, a := range batch {
				n++
				a.done <- n
			}
		}
	}()
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "stub serves", address)
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		var v map[string]any
		if err != nil || json.Unmarshal(body, &v) != nil {
			http.Error(w, "not JSON", http.StatusBadRequest)
			return
		}
		a := ask{body, make(chan int, 1)}
		asks <- a
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"id":"j-%d"}`, <-a.done)
	}))
}
