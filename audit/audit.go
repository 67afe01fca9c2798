// Package audit owns the record of who did what: an append-only log of JSON
// lines in which every record carries the SHA-256 of the one before, so that a
// record that was changed, dropped or put in later shows. It never decides what
// is worth a record and never holds a secret. Read this file first: it has the
// record and the chain; log.go keeps them on disk, verify.go checks them
// anywhere.
package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// Record is one thing that somebody did, or was kept from doing. Its fields are
// plain text and numbers, so that it reads the same from JSON and from CSV.
type Record struct {
	Sequence uint64 `json:"sequence"` // from 1, without gaps
	At       string `json:"at"`       // RFC 3339, UTC
	Request  string `json:"request_id,omitempty"`
	Who      string `json:"who,omitempty"` // ID of a token, or issuer and subject; empty = nobody known
	Name     string `json:"name,omitempty"`
	Role     string `json:"role,omitempty"`
	Tenant   string `json:"tenant,omitempty"`
	From     string `json:"from,omitempty"` // address of the client
	Action   string `json:"action"`         // method and route, or what the centre did itself
	Target   string `json:"target,omitempty"`
	Outcome  string `json:"outcome" enum:"allowed,denied,failed"`
	Status   int    `json:"status,omitempty"` // of HTTP
	More     uint64 `json:"more,omitempty"`   // like it, before it, that were only counted
	Previous string `json:"previous"`         // hash of the record before; empty for the first
	Hash     string `json:"hash,omitempty"`   // SHA-256 of this record without this field
}

// What came of an action.
const (
	Allowed = "allowed"
	Denied  = "denied"
	Failed  = "failed" // allowed, and refused or failed for another reason
)

// maxField bounds a text of a record, in bytes.
const maxField = 512

// clean makes a text printable and bounded, so that a record is one line and
// reads back as it was written.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return '?'
		}
		return r
	}, s[:min(len(s), maxField)])
	return strings.ToValidUTF8(s, "?")
}

// seal gives a record its place in the chain and returns its line.
func (r *Record) seal(sequence uint64, previous string, now time.Time) []byte {
	for _, field := range []*string{&r.Request, &r.Who, &r.Name, &r.Role, &r.Tenant, &r.From, &r.Action, &r.Target} {
		*field = clean(*field)
	}
	r.Sequence, r.Previous = sequence, previous
	if r.At == "" {
		r.At = now.UTC().Format(time.RFC3339Nano)
	}
	line := r.unsealed()
	r.Hash = sum(line)
	// The hash is the last field: what was summed is the beginning of the line.
	line = append(line[:len(line)-1], `,"hash":"`...)
	return append(append(line, r.Hash...), "\"}\n"...)
}

// Sum computes the hash that the record must carry: SHA-256, in hexadecimal, of
// its JSON without the field hash, the fields in the order of the type.
func (r Record) Sum() string { return sum(r.unsealed()) }

func (r Record) unsealed() []byte {
	r.Hash = ""
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // text and numbers always encode
	}
	return text
}

func sum(text []byte) string {
	h := sha256.Sum256(text)
	return hex.EncodeToString(h[:])
}
