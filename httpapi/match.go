package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tianfu/control"
	"tianfu/live"
)

// errChanged refuses a change of something that is not any more as its tag says
// (RFC 9110, section 13.1.1).
var errChanged = errors.New("has changed since it was read with that tag; read it again and look before you change it")

// whenMatches makes the guard of a change that came with If-Match: tag returns
// the tag of what is to be changed, as the caller is shown it; empty when it is
// not there. nil without a header.
func whenMatches(header string, tag func(*control.State) string) live.Guard {
	if strings.TrimSpace(header) == "" {
		return nil
	}
	return func(st *control.State) error {
		now := tag(st)
		for want := range strings.SplitSeq(header, ",") {
			if want = strings.TrimSpace(want); now != "" && (want == now || want == "*") {
				return nil
			}
		}
		return errChanged
	}
}

// matched is problem for changes that may come with If-Match: 412 where the tag
// did not match.
func matched(where string, err error) error {
	if errors.Is(err, errChanged) {
		return huma.NewError(http.StatusPreconditionFailed, where+": "+err.Error())
	}
	return problem(err)
}
