package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts run this binary as the command tianfu.
func TestMain(m *testing.M) {
	if os.Getenv("TIANFU_TEST_AS_COMMAND") != "" || len(os.Args) > 1 && os.Args[1] == "shim" {
		main()
		return
	}
	testscript.Main(m, map[string]func(){"tianfu": main})
}

// TestScripts runs the user stories of testdata/script.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("EXAMPLES", filepath.Join(root, "examples"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"hole":   hole,
			"code":   code,
			"forge":  forge,
			"serve":  serve,
			"post":   postJob,
			"secret": secret,
		},
		UpdateScripts: os.Getenv("UPDATE") != "",
	})
}

// hole makes a file of a size without writing it: hole FILE BYTES.
func hole(ts *testscript.TestScript, neg bool, args []string) {
	var size int64
	for _, c := range args[1] {
		size = size*10 + int64(c-'0')
	}
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_CREATE|os.O_WRONLY, 0o644)
	ts.Check(err)
	ts.Check(f.Truncate(size))
	ts.Check(f.Close())
}

var dynamicFigure = regexp.MustCompile(`"dynamic_mj": (\d+)`)

// forge changes a figure of a receipt: forge FILE.
func forge(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	at := dynamicFigure.FindStringSubmatchIndex(text)
	if at == nil {
		ts.Fatalf("no figure to change")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text[:at[2]]+"7"+text[at[2]:]), 0o600))
}

// code runs a command that must end with an exit code: code N COMMAND ARG...
func code(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if exit, ok := err.(interface{ ExitCode() int }); ok {
		got = string(rune('0' + exit.ExitCode()))
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}
