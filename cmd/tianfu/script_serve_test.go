package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"
)

// serve starts a centre for the rest of a script: serve [FLAG...]. SERVER is its
// address, TIANFU_TOKEN its operator's token, NODE the name of its node.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	self, err := os.Executable()
	ts.Check(err)
	address := scriptAddress()
	cmd := exec.Command(self, append([]string{"serve", "--data", ts.MkAbs("data"), "--listen", address}, args...)...)
	cmd.Env = append(os.Environ(), "TIANFU_TEST_AS_COMMAND=1")
	cmd.Dir = ts.MkAbs(".")
	out, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	ts.Setenv("SERVER", "http://"+address)
	var seen strings.Builder
	for sc := bufio.NewScanner(out); sc.Scan(); {
		line := sc.Text()
		seen.WriteString(line + "\n")
		if strings.HasPrefix(line, "tf_") {
			ts.Setenv("TIANFU_TOKEN", line)
		}
		if strings.HasPrefix(line, "tianfu serves") {
			go io.Copy(io.Discard, out)
			return
		}
	}
	ts.Fatalf("the server did not start:\n%s", seen.String())
}

var scriptPort atomic.Int32

// scriptAddress is one that no other test of this process takes.
func scriptAddress() string {
	return fmt.Sprintf("127.0.0.1:%d", 15_000+(os.Getpid()*7+int(scriptPort.Add(1)))%4000)
}

// postJob sends a body of so many bytes as a job and wants a status: post BYTES
// STATUS. The body is made on the way.
func postJob(ts *testscript.TestScript, neg bool, args []string) {
	var size int64
	fmt.Sscan(args[0], &size)
	body := io.MultiReader(strings.NewReader(`{"name":"`), io.LimitReader(letters{}, size), strings.NewReader(`"}`))
	r, err := http.NewRequest(http.MethodPost, ts.Getenv("SERVER")+"/v1/jobs", body)
	ts.Check(err)
	r.Header.Set("Authorization", "Bearer "+ts.Getenv("TIANFU_TOKEN"))
	r.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(r)
	if err != nil && strings.Contains(err.Error(), "broken pipe") || err != nil && strings.Contains(err.Error(), "connection reset") {
		return // it hung up before all was sent, which is an answer too
	}
	ts.Check(err)
	defer reply.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(reply.Body, 1<<16))
	if fmt.Sprint(reply.StatusCode) != args[1] || reply.Header.Get("Content-Type") != "application/problem+json" {
		ts.Fatalf("status %d, want %s: %s", reply.StatusCode, args[1], text)
	}
}

// secret takes the token that a file holds, as JSON or on a line of its own:
// secret FILE.
func secret(ts *testscript.TestScript, neg bool, args []string) {
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if strings.HasPrefix(line, "tf_") {
			ts.Setenv("TIANFU_TOKEN", strings.TrimSpace(line))
			return
		}
	}
	var doc struct{ Token string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &doc))
	if doc.Token == "" {
		ts.Fatalf("%s holds no token", args[0])
	}
	ts.Setenv("TIANFU_TOKEN", doc.Token)
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
