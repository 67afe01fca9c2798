package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tianfu/fault"
)

func (p *program) api() *cobra.Command {
	r := &remote{}
	var data string
	var headers []string
	c := &cobra.Command{
		Use: "api METHOD PATH", Short: "Send one request to the API, with your token, and print the answer", Args: cobra.ExactArgs(2),
		Long: `Send one request to the API, with your token, and print the answer as it comes. A problem document becomes
an error with its exit code. /openapi.json describes every route.`,
		Example: "  tianfu api GET '/v1/jobs?phase=pending'\n  tianfu api PUT /v1/nodes/n3/state --data '{\"cordoned\": true}'\n  tianfu api POST /v1/jobs --data @job.json --header 'Idempotency-Key: once'",
		RunE: func(c *cobra.Command, args []string) error {
			method := strings.ToUpper(args[0])
			if !slices.Contains([]string{"GET", "POST", "PUT", "DELETE"}, method) {
				return &usageError{fmt.Errorf("%q is not a method: write GET, POST, PUT or DELETE", args[0])}
			}
			if !strings.HasPrefix(args[1], "/") {
				return &usageError{errors.New("a path begins with /, like /v1/jobs")}
			}
			body, err := apiBody(data)
			if err != nil {
				return err
			}
			h := map[string]string{}
			for _, line := range headers {
				k, v, ok := strings.Cut(line, ":")
				if !ok {
					return &usageError{fmt.Errorf("--header %q is not NAME: VALUE", line)}
				}
				h[strings.TrimSpace(k)] = strings.TrimSpace(v)
			}
			client, err := r.client()
			if err != nil {
				return err
			}
			reply, err := client.Raw(c.Context(), method, args[1], h, body)
			if err != nil {
				return err
			}
			defer reply.Close()
			_, err = io.Copy(p.out, reply)
			return err
		},
	}
	r.register(c)
	c.Flags().StringVarP(&data, "data", "d", "", "JSON to send: the text itself, @FILE, or - for standard input")
	c.Flags().StringArrayVarP(&headers, "header", "H", nil, "header to send, NAME: VALUE; may be repeated")
	return only(c)
}

// apiBody reads what is to be sent.
func apiBody(data string) (io.Reader, error) {
	switch file, isFile := strings.CutPrefix(data, "@"); {
	case data == "":
		return nil, nil
	case data == "-":
		return os.Stdin, nil
	case isFile:
		text, err := readBounded(file, maxJobFile)
		if err != nil {
			return nil, err
		}
		if len(text) > maxJobFile {
			return nil, fault.New(fault.Invalid, file, "is larger than 12 MiB", "")
		}
		return bytes.NewReader(text), nil
	}
	return strings.NewReader(data), nil
}
