package fleet

import (
	"fmt"
	"strconv"
)

// numbered collects neighbouring nodes that differ only by a counting number
// at one place of their names.
type numbered struct {
	text        nodeText
	head, tail  string
	first, next uint64
	width       int // digits with leading zeros; 0 = none
	count       int
	name        string
}

// begin starts a run with one node.
func (r *numbered) begin(name string, text nodeText) {
	*r = numbered{text: text, name: name, count: 1}
	end := len(name)
	for end > 0 && (name[end-1] < '0' || name[end-1] > '9') {
		end--
	}
	start := end
	for start > 0 && name[start-1] >= '0' && name[start-1] <= '9' && end-start < 9 {
		start--
	}
	if start == end {
		return
	}
	digits := name[start:end]
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return
	}
	r.head, r.tail, r.first, r.next = name[:start], name[end:], n, n+1
	r.width = len(digits)
}

// extend takes the next node into the run if it belongs there.
func (r *numbered) extend(name string, text *nodeText) bool {
	if r.count == 0 || r.width == 0 || text.Position != 0 || text.Serial != "" {
		return false
	}
	same := r.text
	same.Name = text.Name
	if same != *text || name != fmt.Sprintf("%s%0*d%s", r.head, r.width, r.next, r.tail) {
		return false
	}
	// A number that grows by a digit has no leading zeros from there on, nor
	// had it before: 9, 10. Padded ones keep their width: 09, 10.
	r.next++
	r.count++
	return true
}

// flush appends what was collected.
func (r *numbered) flush(to []nodeText) []nodeText {
	if r.count == 0 {
		return to
	}
	r.text.Name = r.name
	if r.count > 1 {
		r.text.Name = fmt.Sprintf("%s{%0*d..%0*d}%s", r.head, r.width, r.first, r.width, r.next-1, r.tail)
	}
	return append(to, r.text)
}
