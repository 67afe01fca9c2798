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

// TagInput is of a read that need not be answered in full. It is exported, for the
// library does not look into embedded types that are not.
type TagInput struct {
	NoneMatch string `header:"If-None-Match" maxLength:"1024" doc:"304 without a body if it is still as it was shown with this tag"`
}

// unchanged is the answer to a read whose caller has what it asks for already: 304,
// with the tag (RFC 9110, sections 13.1.2 and 15.4.5); nil when it has not.
func (in *TagInput) unchanged(tag string) error {
	for have := range strings.SplitSeq(in.NoneMatch, ",") {
		if have = strings.TrimPrefix(strings.TrimSpace(have), "W/"); have == tag || have == "*" {
			return huma.ErrorWithHeaders(huma.Status304NotModified(), http.Header{"ETag": {tag}})
		}
	}
	return nil
}

// matched is problem for changes that may come with If-Match: 412 where the tag
// did not match.
func matched(where string, err error) error {
	if errors.Is(err, errChanged) {
		return huma.NewError(http.StatusPreconditionFailed, where+": "+err.Error())
	}
	return problem(err)
}
