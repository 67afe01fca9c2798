package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tianfu/fault"
	"tianfu/httpapi"
)

// TestReservationsAreMadeAndEnded keeps the only node of a real server for one
// queue: the other queue's job waits, also after a crash, until the reservation
// is ended. A reload that would take the queue away is refused meanwhile.
func TestReservationsAreMadeAndEnded(t *testing.T) {
	world := filepath.Join(t.TempDir(), "world.yaml")
	text := queueWorld + "reservations: [{name: nightly, queue: spare, count: 1, days: daily, hours: \"00:00-00:01\", from: \"2099-01-01T00:00:00Z\"}]\n"
	if err := os.WriteFile(world, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "--world", world, "--node", "one")
	t.Setenv("TIANFU_TOKEN", s.token)
	ctx := context.Background()
	s.kill()
	biology := &httpapi.Client{Base: "http://" + s.address, Token: s.tenantToken("biology")}
	physics := &httpapi.Client{Base: "http://" + s.address, Token: s.tenantToken("physics")}
	s.start()
	at := "--server=http://" + s.address
	has := func(want string, code int, args ...string) {
		t.Helper()
		got, out, errs := execute(append(args, at)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("tianfu %s: code %d, want %d with %q:\n%s%s", strings.Join(args, " "), got, code, want, out, errs)
		}
	}
	has("no reservations", 0, "reservation", "list")
	has("cordoned", 0, "node", "cordon", "one")
	has("only 0 nodes with 0 accelerators are left for it; 1 more are cordoned, draining or not healthy", 2, "reservation", "create", "course", "--queue", "train", "--count", "1", "--for", "1h")
	has("healthy", 0, "node", "uncordon", "one")
	has("one", 0, "reservation", "create", "course", "--queue", "train", "--count", "1", "--for", "1h", "--key", "k1")
	has("course", 0, "reservation", "create", "course", "--queue", "train", "--count", "1", "--for", "1h", "--key", "k1")
	has("is there already", 5, "reservation", "create", "course", "--queue", "train", "--nodes", "one", "--from", "2h", "--for", "1h")
	has("while reservation course has it", 5, "reservation", "create", "second", "--queue", "train", "--nodes", "one", "--from", "59m", "--for", "1h")
	has("only 0 nodes", 2, "reservation", "create", "second", "--queue", "train", "--count", "1", "--for", "1h")
	has("unknown queue", 2, "reservation", "create", "second", "--queue", "none", "--nodes", "one", "--from", "2h", "--for", "1h")
	has("no window that is not over", 2, "reservation", "create", "second", "--queue", "train", "--nodes", "one", "--from", "2020-01-01T00:00:00Z", "--for", "1h")
	has("400 days", 2, "reservation", "create", "second", "--queue", "train", "--nodes", "one", "--from", "9700h", "--for", "1h")
	has("is no day", 2, "reservation", "create", "second", "--queue", "train", "--nodes", "one", "--days", "sometimes", "--hours", "09:00-10:00")
	has("windows left", 0, "reservation", "create", "lab", "--queue", "genomes", "--count", "1", "--days", "mon,wed", "--hours", "09:00-10:00", "--from", "48h")

	has("2 CPU, 2GiB", 0, "reservation", "create", "half", "--queue", "genomes", "--cpu", "2", "--from", "30h", "--for", "1h")
	has("only 2 of 3 CPUs", 6, "reservation", "create", "more", "--queue", "train", "--cpu", "3", "--memory", "100MiB", "--from", "30h", "--for", "30m")
	has("of node one", 0, "reservation", "create", "more", "--queue", "train", "--cpu", "2", "--memory", "100MiB", "--nodes", "one", "--from", "30h", "--for", "30m")
	has("takes node one", 5, "reservation", "create", "all", "--queue", "train", "--nodes", "one", "--from", "30h", "--for", "30m")
	has("2 CPU, 2GiB is reserved for queue genomes by half", 0, "node", "show", "one")
	has("only 0 of 1 accelerator", 6, "reservation", "create", "none", "--queue", "train", "--cpu", "1", "--accelerators", "1", "--model", "A100", "--from", "30h", "--for", "30m")
	has("", 0, "reservation", "delete", "half", "more")

	for path, tag := range map[string]string{"course": `"of another state"`, "none": "*"} {
		r, _ := http.NewRequest("DELETE", "http://"+s.address+"/v1/reservations/"+path, nil)
		r.Header.Set("Authorization", "Bearer "+s.token)
		r.Header.Set("If-Match", tag)
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if reply.Body.Close(); reply.StatusCode != 412 {
			t.Errorf("the end of reservation %s if it matches %s: status %d", path, tag, reply.StatusCode)
		}
	}
	has("train", 0, "reservation", "show", "course")

	list, err := physics.Reservations(ctx)
	if err != nil || len(list.Reservations) != 1 || list.Reservations[0].Name != "course" || !list.Reservations[0].Open || len(list.Others) != 1 || list.Others[0].Nodes != 1 {
		t.Errorf("physics sees %+v, %v", list, err)
	}
	if _, err := physics.Reservation(ctx, "lab"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("physics sees another tenant's reservation: %v", err)
	}
	if _, err := physics.Reserve(ctx, &httpapi.ReservationBody{Name: "mine", Queue: "train", Count: 1, From: "2090-01-01T00:00:00Z", To: "2090-01-02T00:00:00Z"}, ""); fault.KindOf(err) != fault.Denied {
		t.Errorf("a tenant makes a reservation: %v", err)
	}
	work := shell("sleep 300")
	work.ExpectedRun = "10m" // of unknown length it would stay clear of the windows to come
	own, err := physics.Submit(ctx, work, "", false)
	if err != nil {
		t.Fatal(err)
	}
	other, err := biology.Submit(ctx, work, "", false)
	if err != nil {
		t.Fatal(err)
	}
	wait := func(c *httpapi.Client, id, phase string) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			j, err := c.Job(ctx, id)
			if err == nil && j.Phase == phase {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s is not %s: %+v, %v", id, phase, j, err)
			}
		}
	}
	wait(physics, own.ID, "running")
	s.kill()
	s.start()
	wait(biology, other.ID, "pending")
	has("reserved for another queue", 0, "why", other.ID)
	has("reservation course from", 0, "why", other.ID)
	has("course", 0, "reservation", "show", "course")
	if err := os.WriteFile(world, []byte(strings.Replace(text, "{name: genomes,", "{name: genes,", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	has("queue genomes", 5, "world", "reload")
	has("", 0, "reservation", "delete", "course")
	has("no such reservation", 3, "reservation", "delete", "course")
	wait(biology, other.ID, "running")
	for c, id := range map[*httpapi.Client]string{physics: own.ID, biology: other.ID} {
		if err := c.Cancel(ctx, id); err != nil {
			t.Error(err)
		}
		// A task that is told to leave before its shell listens has its grace of 30 s.
		for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			if j, err := c.Job(ctx, id); err == nil && j.Phase == "cancelled" && j.TasksActive == 0 {
				break
			}
			if time.Now().After(end) {
				t.Fatal(id, " does not end")
			}
		}
	}
	has("is for queue genomes, which would be removed", 5, "world", "reload")
	has("", 0, "reservation", "delete", "lab")
	has("queue genomes is removed", 0, "world", "reload")
	has("POST /v1/reservations", 0, "audit", "list", "-o", "csv")
}
