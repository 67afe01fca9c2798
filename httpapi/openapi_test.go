package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tianfu/audit"
	"tianfu/httpapi"
)

// TestRequestsFromTheDocument makes requests from the OpenAPI document that the
// server gives out, good and bad, for every operation and as every role. No
// answer is a fault of the server, and every one is as the document says: its
// status, the kind of its content, the shape of its body. SEEDS=n makes n
// rounds.
func TestRequestsFromTheDocument(t *testing.T) {
	rounds := 12
	if n, err := strconv.Atoi(os.Getenv("SEEDS")); err == nil {
		rounds = n
	} else if testing.Short() {
		rounds = 4
	}
	trail, _, err := audit.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trail.Close() })
	c := openCentre(t, httpapi.Options{Audit: trail})
	d := &document{t: t, centre: c, served: map[string]bool{}}
	if err := json.Unmarshal([]byte(d.fetch("/openapi.json")), &d.doc); err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{"nobody": "", "stranger": "tf_00000000000000000000000000000000"}
	for _, r := range httpapi.Roles {
		tokens[string(r)] = c.token(t, r, "a")
	}
	for range 20 {
		if status, text := c.send(t, "POST", "/v1/jobs", tokens["tenant-user"], `{"name":"x","command":["true"]}`); status != http.StatusCreated {
			t.Fatalf("status %d: %s", status, text)
		}
	}
	checked := 0
	for seed := range uint64(rounds) {
		d.rng = rand.New(rand.NewPCG(seed, 5))
		for _, path := range slices.Sorted(maps.Keys(d.at("paths"))) {
			for _, method := range []string{"get", "put", "post", "delete", "patch", "options", "trace"} {
				for _, who := range slices.Sorted(maps.Keys(tokens)) {
					if err := d.try(path, method, tokens[who]); err != nil {
						t.Errorf("round %d, as %s: %v", seed, who, err)
					}
					if checked++; t.Failed() && checked > 100_000 {
						t.FailNow()
					}
				}
			}
		}
	}
	t.Logf("%d requests", checked)
	for _, op := range c.operations(t) {
		switch {
		case testing.Short() || d.served[op.method+" "+op.path]:
		case slices.Contains(elsewhere, op.method+" "+op.path):
		default:
			t.Errorf("no request for %s %s was good enough to be served: the document does not say what it takes", op.method, op.path)
		}
	}
}

// elsewhere are operations that need what this centre has not: an identity
// provider, a world file, queues, limits of power,
// a place for results, a job that ran, a token's secret name.
var elsewhere = []string{"POST /v1/backup", "POST /v1/world/reload", "GET /v1/world", "GET /v1/login", "GET /v1/jobs/{id}/logs", "DELETE /v1/tokens/{id}",
	"GET /v1/queues/{name}", "GET /v1/whatif/{id}", "POST /v1/caps", "DELETE /v1/caps/{id}",
	"GET /v1/reservations/{name}", "POST /v1/reservations", "DELETE /v1/reservations/{name}"}

type object = map[string]any

// document is an OpenAPI document and the server it describes.
type document struct {
	t      *testing.T
	centre *centre
	doc    object
	rng    *rand.Rand
	served map[string]bool // operations that a request got through to
}

func (d *document) fetch(path string) string {
	_, text := d.centre.send(d.t, "GET", path, "", "")
	return text
}

// at walks down the document.
func (d *document) at(names ...string) object {
	o := d.doc
	for _, n := range names {
		o, _ = o[n].(object)
	}
	return o
}

// schema follows a reference.
func (d *document) schema(s any) object {
	o, _ := s.(object)
	if ref, ok := o["$ref"].(string); ok {
		return d.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return o
}

// try makes one request and holds the answer to the document.
func (d *document) try(path, method, token string) error {
	op, documented := d.at("paths", path)[method].(object)
	target, body, headers := d.request(path, op)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel() // ends streams
	r, err := http.NewRequestWithContext(ctx, strings.ToUpper(method), d.centre.server.URL+target, strings.NewReader(body))
	if err != nil {
		return nil // not a request that can be sent
	}
	r.Header = headers
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	what := fmt.Sprintf("%s %s with %.300q", r.Method, target, body)
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer reply.Body.Close()
	if reply.StatusCode < 300 {
		d.served[r.Method+" "+path] = true
	}
	kind, _, _ := mime.ParseMediaType(reply.Header.Get("Content-Type"))
	var text []byte
	if kind != "text/event-stream" && kind != "text/plain" {
		if text, err = io.ReadAll(io.LimitReader(reply.Body, 8<<20)); err != nil {
			return fmt.Errorf("%s: status %d: %w", what, reply.StatusCode, err)
		}
	}
	if err := d.answer(op, documented, reply.StatusCode, kind, text); err != nil {
		return fmt.Errorf("%s: status %d, %s: %w: %.300s", what, reply.StatusCode, kind, err, text)
	}
	return nil
}

func (d *document) answer(op object, documented bool, status int, kind string, text []byte) error {
	// What this centre was opened without is said in these words.
	if status >= 500 && (status != http.StatusServiceUnavailable || !strings.Contains(string(text), "by this centre")) {
		return fmt.Errorf("a fault of the server")
	}
	if status >= 400 {
		var p struct {
			Status int
			Title  string
		}
		if kind != "application/problem+json" || json.Unmarshal(text, &p) != nil || p.Status != status || p.Title == "" {
			return fmt.Errorf("is no problem document of this status")
		}
	}
	if !documented {
		if status < 400 {
			return fmt.Errorf("the document does not have this operation")
		}
		return nil
	}
	responses, _ := op["responses"].(object)
	response, ok := responses[strconv.Itoa(status)].(object)
	if !ok {
		if response, ok = responses["default"].(object); !ok {
			return fmt.Errorf("the document does not have this status")
		}
	}
	content, _ := response["content"].(object)
	if len(content) == 0 {
		if len(text) > 0 {
			return fmt.Errorf("the document has no content for it")
		}
		return nil
	}
	media, ok := content[kind].(object)
	if !ok {
		return fmt.Errorf("the document has content of %v", slices.Sorted(maps.Keys(content)))
	}
	if !strings.HasSuffix(kind, "json") {
		return nil
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	return d.valid(media["schema"], v, "body")
}

// valid holds a value to a schema.
func (d *document) valid(schema, v any, where string) error {
	s := d.schema(schema)
	kinds := words(s["type"])
	if v == nil && (len(kinds) == 0 || slices.Contains(kinds, "null")) {
		return nil
	}
	kind := map[bool]string{true: "null"}[v == nil]
	switch v := v.(type) {
	case object:
		kind = "object"
		properties, _ := s["properties"].(object)
		for _, name := range words(s["required"]) {
			if _, ok := v[name]; !ok {
				return fmt.Errorf("%s.%s is required and not there", where, name)
			}
		}
		for name, x := range v {
			p, known := properties[name]
			if !known {
				if p = s["additionalProperties"]; p == false {
					return fmt.Errorf("%s.%s is not in the document", where, name)
				}
			}
			if err := d.valid(p, x, where+"."+name); err != nil {
				return err
			}
		}
	case []any:
		kind = "array"
		for i, x := range v {
			if err := d.valid(s["items"], x, fmt.Sprintf("%s[%d]", where, i)); err != nil {
				return err
			}
		}
	case string:
		kind = "string"
		if _, err := time.Parse(time.RFC3339Nano, v); s["format"] == "date-time" && err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	case bool:
		kind = "boolean"
	case float64:
		kind = "number"
		if v == float64(int64(v)) && slices.Contains(kinds, "integer") {
			kind = "integer"
		}
	}
	if len(kinds) > 0 && !slices.Contains(kinds, kind) {
		return fmt.Errorf("%s is of type %s, the document says %v", where, kind, kinds)
	}
	if all, ok := s["enum"].([]any); ok && !slices.Contains(all, v) {
		return fmt.Errorf("%s is %v, the document says one of %v", where, v, all)
	}
	return nil
}

// words reads a word or a list of words.
func words(v any) (out []string) {
	switch v := v.(type) {
	case string:
		out = []string{v}
	case []any:
		for _, x := range v {
			if text, ok := x.(string); ok {
				out = append(out, text)
			}
		}
	}
	return out
}

// request fills in path, query, headers and body of an operation.
func (d *document) request(path string, op object) (target, body string, headers http.Header) {
	headers = http.Header{"Content-Type": {"application/json"}}
	query := url.Values{}
	list, _ := op["parameters"].([]any)
	for _, x := range list {
		p := d.schema(x)
		name, _ := p["name"].(string)
		value := fmt.Sprint(d.value(p["schema"], 0))
		if example, ok := p["example"]; ok && d.rng.IntN(3) > 0 {
			value = fmt.Sprint(example)
		}
		switch {
		case p["in"] == "path":
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(d.id(value)))
		case d.rng.IntN(2) == 0:
		case p["in"] == "query":
			query.Add(name, value)
		case p["in"] == "header" && utf8.ValidString(value) && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
			headers.Set(name, value)
		}
	}
	path = parameter.ReplaceAllString(path, "j-1")
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	if d.rng.IntN(20) == 0 {
		headers.Set("Accept", []string{"application/cbor", "text/html", "*/*", "nonsense", "application/xml;q=1"}[d.rng.IntN(5)])
	}
	content, _ := d.schema(op["requestBody"])["content"].(object)
	media, ok := content["application/json"].(object)
	if !ok {
		if d.rng.IntN(4) == 0 {
			return path, `{"a":1}`, headers
		}
		return path, "", headers
	}
	text, err := json.Marshal(d.value(media["schema"], 0))
	if err != nil {
		d.t.Fatal(err)
	}
	return path, d.broken(string(text), headers), headers
}

// id is the name of something that may exist.
func (d *document) id(other string) string {
	switch d.rng.IntN(6) {
	case 0, 1:
		return "j-" + strconv.Itoa(1+d.rng.IntN(20))
	case 2:
		return "n1"
	case 3:
		return "here"
	}
	if other == "" || other == "." || other == ".." {
		return "x"
	}
	return other
}

// broken damages a body now and then, on the way.
func (d *document) broken(text string, headers http.Header) string {
	switch d.rng.IntN(24) {
	case 0:
		return text[:d.rng.IntN(len(text)+1)]
	case 1:
		return text + text
	case 2:
		headers.Set("Content-Type", []string{"text/plain", "application/xml", "application/cbor", "nonsense", "application/json; charset=latin1"}[d.rng.IntN(5)])
	case 3:
		return strings.Replace(text, `"`, "\"\xff\xfe", 1)
	case 4:
		return strings.Repeat(`{"a":`, 5000)
	case 5:
		return strings.Replace(text, ":", `:1e400,"x":`, 1)
	}
	return text
}

var odd = []any{nil, "", -1, 0, 1.5, 1e308, -9223372036854775808.0, 18446744073709551615.0, true, []any{}, object{}, []any{nil}, "\x00", "null", "💡", "../../etc/passwd", strings.Repeat("x", 300), "99999999999999999999", "-1", "NaN", "1e9GiB"}

// value makes a value for a schema; now and then one that does not fit.
func (d *document) value(schema any, depth int) any {
	s := d.schema(schema)
	if d.rng.IntN(14) == 0 {
		return odd[d.rng.IntN(len(odd))]
	}
	if all, ok := s["enum"].([]any); ok {
		return all[d.rng.IntN(len(all))]
	}
	examples, _ := s["examples"].([]any)
	if len(examples) > 0 && d.rng.IntN(5) > 0 {
		return examples[0]
	}
	kinds := words(s["type"])
	if len(kinds) == 0 || depth > 6 {
		return object{}
	}
	switch kinds[0] {
	case "object":
		return d.fields(s, depth)
	case "array":
		out := []any{}
		for range d.rng.IntN(4) {
			out = append(out, d.value(s["items"], depth+1))
		}
		return out
	case "string":
		return d.text(s)
	case "integer", "number":
		low, high := 0.0, 100.0
		if v, ok := s["minimum"].(float64); ok {
			low = v
		}
		if v, ok := s["maximum"].(float64); ok {
			high = v
		}
		if d.rng.IntN(4) == 0 {
			return []float64{low, high, low - 1, high + 1}[d.rng.IntN(4)]
		}
		return float64(int64(low + d.rng.Float64()*(min(high, low+1000)-low)))
	case "boolean":
		return d.rng.IntN(2) == 0
	}
	return nil
}

func (d *document) fields(s object, depth int) object {
	out := object{}
	properties, _ := s["properties"].(object)
	required := words(s["required"])
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		switch must := slices.Contains(required, name); {
		case must && d.rng.IntN(20) > 0, !must && d.rng.IntN(4) == 0:
			out[name] = d.value(properties[name], depth+1)
		}
	}
	if more, ok := s["additionalProperties"].(object); ok {
		out["key"] = d.value(more, depth+1)
	}
	if d.rng.IntN(25) == 0 {
		out["nobody_knows"] = 1
	}
	return out
}

func (d *document) text(s object) string {
	if s["format"] == "date-time" {
		return []string{"2027-01-01T00:00:00Z", "2020-02-30T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "tomorrow"}[d.rng.IntN(5)]
	}
	plain := []string{"a", "train", "500m", "2", "1GiB", "30m", "j-1", "any:j-2", "must:rack", "0.5", "true", "SIGTERM", "/data", "here", "x y", "ü"}
	return plain[d.rng.IntN(len(plain))]
}

// TestUnknownParametersAreRefused gives every route of the document a parameter that it
// does not take: the answer is a problem that says which it takes, not all there is.
func TestUnknownParametersAreRefused(t *testing.T) {
	c := openCentre(t, httpapi.Options{})
	token := c.token(t, httpapi.Operator, "")
	for _, op := range c.operations(t) {
		path := parameter.ReplaceAllString(op.path, "n1")
		if status, body := c.send(t, op.method, path+"?pahse=running", token, "{}"); status != 422 || !strings.Contains(body, "pahse") {
			t.Errorf("%s %s: %d %s", op.method, op.path, status, body)
		}
	}
	if _, body := c.send(t, "GET", "/v1/jobs?pahse=running", token, ""); !strings.Contains(body, "phase") {
		t.Errorf("what it takes is not said: %s", body)
	}
	if status, body := c.send(t, "GET", "/v1/jobs?name=%zz", token, ""); status != 422 {
		t.Errorf("a query that cannot be read: %d %s", status, body)
	}
}
