package sim

import (
	"fmt"
	"io"
)

// WriteHTML writes the report as one page.
func WriteHTML(w io.Writer, r *Report) error {
	_, err := fmt.Fprintf(w, "<title>%q</title>", r.Title)
	return err
}
