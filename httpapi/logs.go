package httpapi

import (
	"io"
	"net/http"
	"strconv"

	"tianfu/control"
	"tianfu/fault"
	"tianfu/live"
)

// readLogs streams the output of a task as text, from an offset on; with
// follow=true until the task or the caller's token ends.
func (s *Server) readLogs(w http.ResponseWriter, r *http.Request) {
	q, err := s.logQuery(r)
	if err != nil {
		writeProblem(w, fault.KindOf(err).HTTPStatus(), err)
		return
	}
	ctx, end, err := s.stream(r)
	if err != nil {
		writeProblem(w, fault.KindOf(err).HTTPStatus(), err)
		return
	}
	defer end()
	log, err := s.centre.Logs(ctx, q)
	if err != nil {
		writeProblem(w, fault.KindOf(err).HTTPStatus(), err)
		return
	}
	defer log.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Log-Offset", strconv.FormatInt(log.Offset(), 10))
	flusher, _ := w.(http.Flusher)
	buffer := make([]byte, 32<<10)
	for {
		n, err := log.Read(buffer)
		if n > 0 {
			if _, werr := w.Write(buffer[:n]); werr != nil {
				return
			}
			if flusher != nil {
				flusher.Flush()
			}
		}
		switch {
		case err == io.EOF:
			return
		case ctx.Err() != nil:
			// The centre stops, the token has ended, or nobody reads any more. An answer that
			// ended as if it were whole would say that the task had ended.
			panic(http.ErrAbortHandler)
		case err != nil:
			io.WriteString(w, "\n[log ends: "+err.Error()+"]\n")
			return
		}
	}
}

func (s *Server) logQuery(r *http.Request) (live.LogQuery, error) {
	q := live.LogQuery{Follow: r.URL.Query().Get("follow") == "true"}
	id, err := ParseID(r.PathValue("id"))
	if err != nil {
		return q, err
	}
	task, err := taskNumber(r.URL.Query().Get("task"))
	if err != nil {
		return q, err
	}
	switch stream := r.URL.Query().Get("stream"); stream {
	case "", "stdout":
	case "stderr":
		q.Stderr = true
	default:
		return q, fault.New(fault.Invalid, "stream", strconv.Quote(stream)+" is not a stream", "use stdout or stderr")
	}
	if text := r.URL.Query().Get("offset"); text != "" {
		if q.Offset, err = strconv.ParseInt(text, 10, 64); err != nil {
			return q, fault.New(fault.Invalid, "offset", strconv.Quote(text)+" is not a number of bytes", "negative counts from the end")
		}
	}
	missing := fault.New(fault.NotFound, id.String()+"/"+strconv.Itoa(task), "no such task, or it has not started", "")
	found := false
	err = s.centre.View(r.Context(), func(st *control.State) {
		j, ok := st.Job(id)
		if ok && !identity(r.Context()).maySee(j.Spec.Tenant) {
			exchangeOf(r.Context()).hidden = true
			return
		}
		if !ok || task >= len(j.Tasks) || j.Tasks[task].Attempt == 0 {
			return
		}
		found = true
		q.Job, q.Task, q.Attempt = id, int32(task), j.Tasks[task].Attempt
	})
	if err != nil {
		return q, err
	}
	if !found {
		return q, missing
	}
	return q, nil
}
