package redfish

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tianfu/fault"
	"tianfu/sensor"
)

const password = "reads-the-bmc"

// service is a Redfish service over HTTPS, with documents in the shape of DMTF's
// published mock-ups.
type service struct {
	mu        sync.Mutex
	docs      map[string]string
	energy    float64 // kWh of the chassis
	sessions  bool    // it has a SessionService
	tokens    map[string]bool
	made      int
	asked     map[string]int
	address   string
	server    *httptest.Server
	signature [32]byte
}

// A server whose outer chassis holds a board of accelerators.
var rackmount = map[string]string{
	"/redfish/v1": `{"@odata.type":"#ServiceRoot.v1_16_0.ServiceRoot","Id":"RootService","RedfishVersion":"1.18.0","Chassis":{"@odata.id":"/redfish/v1/Chassis"},"Links":{"Sessions":{"@odata.id":"/redfish/v1/SessionService/Sessions"}}}`,
	"/redfish/v1/Chassis": `{"@odata.type":"#ChassisCollection.ChassisCollection","Members@odata.count":2,
		"Members":[{"@odata.id":"/redfish/v1/Chassis/1U"},{"@odata.id":"/redfish/v1/Chassis/HGX"}]}`,
	"/redfish/v1/Chassis/1U": `{"@odata.type":"#Chassis.v1_25_0.Chassis","Id":"1U","ChassisType":"RackMount","PowerState":"On",
		"Power":{"@odata.id":"/redfish/v1/Chassis/1U/Power"},"PowerSubsystem":{"@odata.id":"/redfish/v1/Chassis/1U/PowerSubsystem"},
		"EnvironmentMetrics":{"@odata.id":"/redfish/v1/Chassis/1U/EnvironmentMetrics"},"Links":{"Contains":[{"@odata.id":"/redfish/v1/Chassis/HGX"}]}}`,
	"/redfish/v1/Chassis/1U/EnvironmentMetrics": `{"@odata.type":"#EnvironmentMetrics.v1_3_2.EnvironmentMetrics","Id":"EnvironmentMetrics",
		"PowerWatts":{"DataSourceUri":"/redfish/v1/Chassis/1U/Sensors/TotalPower","Reading":374},
		"EnergykWh":{"DataSourceUri":"/redfish/v1/Chassis/1U/Sensors/TotalEnergy","Reading":ENERGY}}`,
	"/redfish/v1/Chassis/1U/Power": `{"@odata.type":"#Power.v1_7_3.Power","PowerControl":[
		{"MemberId":"0","Name":"System Power Control","PowerConsumedWatts":344.5,"PowerCapacityWatts":800},
		{"MemberId":"1","Name":"CPU Sub-system Power","PowerConsumedWatts":120}]}`,
	"/redfish/v1/Chassis/1U/PowerSubsystem":                            `{"PowerSupplies":{"@odata.id":"/redfish/v1/Chassis/1U/PowerSubsystem/PowerSupplies"}}`,
	"/redfish/v1/Chassis/1U/PowerSubsystem/PowerSupplies":              `{"Members":[{"@odata.id":"/redfish/v1/Chassis/1U/PowerSubsystem/PowerSupplies/Bay1"},{"@odata.id":"/redfish/v1/Chassis/1U/PowerSubsystem/PowerSupplies/Bay2"}]}`,
	"/redfish/v1/Chassis/1U/PowerSubsystem/PowerSupplies/Bay1":         `{"Id":"Bay1","Metrics":{"@odata.id":"/redfish/v1/Chassis/1U/PowerSubsystem/PowerSupplies/Bay1/Metrics"}}`,
	"/redfish/v1/Chassis/1U/PowerSubsystem/PowerSupplies/Bay2":         `{"Id":"Bay2","Metrics":{"@odata.id":"/redfish/v1/Chassis/1U/PowerSubsystem/PowerSupplies/Bay2/Metrics"}}`,
	"/redfish/v1/Chassis/1U/PowerSubsystem/PowerSupplies/Bay1/Metrics": `{"InputPowerWatts":{"Reading":190.5},"EnergykWh":{"Reading":325}}`,
	"/redfish/v1/Chassis/1U/PowerSubsystem/PowerSupplies/Bay2/Metrics": `{"InputPowerWatts":{"Reading":184}}`,
	"/redfish/v1/Chassis/HGX":                                          `{"Id":"HGX","ChassisType":"Module","EnvironmentMetrics":{"@odata.id":"/redfish/v1/Chassis/HGX/EnvironmentMetrics"},"Links":{"ContainedBy":{"@odata.id":"/redfish/v1/Chassis/1U"}}}`,
	"/redfish/v1/Chassis/HGX/EnvironmentMetrics":                       `{"PowerWatts":{"Reading":300},"EnergyJoules":{"Reading":12345.678}}`,
}

// A rack strip.
var strip = map[string]string{
	"/redfish/v1":                                   `{"PowerEquipment":{"@odata.id":"/redfish/v1/PowerEquipment"},"Chassis":{"@odata.id":"/redfish/v1/Chassis"}}`,
	"/redfish/v1/PowerEquipment":                    `{"RackPDUs":{"@odata.id":"/redfish/v1/PowerEquipment/RackPDUs"}}`,
	"/redfish/v1/PowerEquipment/RackPDUs":           `{"Members":[{"@odata.id":"/redfish/v1/PowerEquipment/RackPDUs/1"}]}`,
	"/redfish/v1/PowerEquipment/RackPDUs/1":         `{"EquipmentType":"RackPDU","Metrics":{"@odata.id":"/redfish/v1/PowerEquipment/RackPDUs/1/Metrics"}}`,
	"/redfish/v1/PowerEquipment/RackPDUs/1/Metrics": `{"PowerWatts":{"Reading":6438.0},"EnergykWh":{"LifetimeReading":36166.123,"Reading":12}}`,
	"/redfish/v1/Chassis":                           `{"Members":[]}`,
}

func newService(t *testing.T, docs map[string]string) *service {
	s := &service{docs: docs, energy: 325675.123, sessions: true, tokens: map[string]bool{}, asked: map[string]int{}, address: "127.0.0.1:0"}
	s.start(t)
	t.Cleanup(func() { s.server.Close() })
	return s
}

func (s *service) start(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	s.server = httptest.NewUnstartedServer(s)
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.server.Listener.Close()
	s.server.Listener = l
	s.server.StartTLS()
	s.signature = sha256.Sum256(s.server.Certificate().Raw)
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[r.Method+" "+r.URL.Path]++
	if strings.HasPrefix(r.URL.Path, sessions) && !s.sessions {
		http.NotFound(w, r)
		return
	}
	if r.Method == http.MethodPost && r.URL.Path == sessions {
		var in struct{ UserName, Password string }
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.UserName != "reader" || in.Password != password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.made++
		token := fmt.Sprint("token-", s.made)
		s.tokens[token] = true
		w.Header().Set("X-Auth-Token", token)
		w.Header().Set("Location", sessions+"/"+token)
		w.WriteHeader(http.StatusCreated)
		return
	}
	name, pass, _ := r.BasicAuth()
	if !s.tokens[r.Header.Get("X-Auth-Token")] && (name != "reader" || pass != password) && r.URL.Path != "/redfish/v1" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method == http.MethodDelete {
		delete(s.tokens, strings.TrimPrefix(r.URL.Path, sessions+"/"))
		w.WriteHeader(http.StatusNoContent)
		return
	}
	doc, ok := s.docs[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, strings.ReplaceAll(doc, "ENERGY", fmt.Sprintf("%.3f", s.energy)))
}

func (s *service) options() Options {
	return Options{Address: "https://" + s.address, User: "reader", Secret: password, Fingerprint: hex.EncodeToString(s.signature[:]), Covers: sensor.Covers{Level: sensor.Node, Path: "n1"}}
}

func open(t *testing.T, o Options) *Source {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	sensor.Conform(t, func(t *testing.T) *sensor.Bench {
		s := newService(t, rackmount)
		return &sensor.Bench{
			Draw: func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.energy += 0.25
			},
			Cut:    func() { s.server.CloseClientConnections(); s.server.Close() },
			Mend:   func() { s.start(t) },
			Open:   func(t *testing.T) sensor.Source { return open(t, s.options()) },
			Secret: password,
		}
	})
}

// with returns the documents with some changed; an empty text leaves one out.
func with(docs map[string]string, changes ...string) map[string]string {
	out := map[string]string{}
	for k, v := range docs {
		out[k] = v
	}
	for i := 0; i < len(changes); i += 2 {
		if out[changes[i]] = changes[i+1]; changes[i+1] == "" {
			delete(out, changes[i])
		}
	}
	return out
}

func TestFind(t *testing.T) {
	const metrics = "/redfish/v1/Chassis/1U/EnvironmentMetrics"
	for name, c := range map[string]struct {
		docs map[string]string
		want string
	}{
		"a counter of the outer chassis": {rackmount, "chassis-1U node n1 chassis-1U counter 1172430442800000 0"},
		"whole kWh are too coarse":       {with(rackmount, metrics, `{"PowerWatts":{"Reading":374},"EnergykWh":{"Reading":325675}}`), "chassis-1U node n1 chassis-1U gauge 0 374000"},
		"but better than nothing":        {with(rackmount, metrics, `{"PowerWatts":{"Reading":null},"EnergykWh":{"Reading":5}}`), "chassis-1U node n1 chassis-1U counter 18000000000 0"},
		"joules":                         {with(rackmount, metrics, `{"EnergyJoules":{"Reading":12345.678},"EnergykWh":{"Reading":0.003}}`), "chassis-1U node n1 chassis-1U counter 12345678 0"},
		"the older Power":                {with(rackmount, metrics, ""), "chassis-1U node n1 chassis-1U gauge 0 344500"},
		"supplies add up":                {with(rackmount, metrics, "", "/redfish/v1/Chassis/1U/Power", ""), "chassis-1U-Bay1 node n1 chassis-1U-Bay1 gauge 0 190500, chassis-1U-Bay2 node n1 chassis-1U-Bay2 gauge 0 184000"},
		"a rack strip":                   {strip, "pdu-1 node n1 pdu-1 counter 130198042800000 0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, c.docs)
			source := open(t, s.options())
			out, err := source.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, x := range out {
				got = append(got, fmt.Sprint(x.Channel, " ", x.Covers, " ", x.Kind, " ", x.Count, " ", int64(x.Power)))
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("%s\nwant %s", strings.Join(got, ", "), c.want)
			}
			source.Close()
			if len(s.tokens) != 0 {
				t.Error("the session was left open")
			}
		})
	}
}

func TestSessions(t *testing.T) {
	s := newService(t, rackmount)
	source := open(t, s.options())
	defer source.Close()
	for range 3 {
		if _, err := source.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.mu.Lock()
	clear(s.tokens) // as a service does after a while
	s.mu.Unlock()
	if out, err := source.Read(t.Context()); err != nil || len(out) != 1 || s.made != 2 {
		t.Errorf("after the session ended: %+v %v, %d sessions", out, err, s.made)
	}
	s.sessions = false
	basic := open(t, s.options())
	defer basic.Close()
	if out, err := basic.Read(t.Context()); err != nil || len(out) != 1 {
		t.Errorf("without sessions: %+v %v", out, err)
	}
	for _, sessions := range []bool{true, false} {
		s.sessions = sessions
		o := s.options()
		o.Secret = "another-password"
		if _, err := open(t, o).Read(t.Context()); fault.KindOf(err) != fault.Denied || strings.Contains(err.Error(), o.Secret) {
			t.Errorf("another password, sessions %v: %v", sessions, err)
		}
	}
}

func TestCertificates(t *testing.T) {
	s := newService(t, rackmount)
	o := s.options()
	o.Fingerprint = ""
	if _, err := open(t, o).Read(t.Context()); fault.KindOf(err) != fault.Unavailable || s.made != 0 {
		t.Errorf("a certificate that nobody signed: %v; %d sessions", err, s.made)
	}
	o.CA = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(o.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	source := open(t, o)
	defer source.Close()
	if _, err := source.Read(t.Context()); err != nil {
		t.Errorf("signed by the file: %v", err)
	}
	o.CA, o.Fingerprint = "", strings.Repeat("ab", 32)
	if _, err := open(t, o).Read(t.Context()); err == nil || !strings.Contains(err.Error(), "fingerprint") {
		t.Errorf("another certificate: %v", err)
	}
}

func TestBadAnswers(t *testing.T) {
	const metrics = "/redfish/v1/Chassis/1U/EnvironmentMetrics"
	watts, _ := sensor.ParseScale("W")
	s := newService(t, rackmount)
	o := s.options()
	o.Channels = []sensor.Channel{{Name: "a", Address: metrics, Field: "PowerWatts.Reading", Scale: watts}, {Name: "b", Address: metrics, Field: "PowerWatts.Nothing", Scale: watts}, {Name: "c", Address: "/redfish/v1/none", Field: "x", Scale: watts}}
	source := open(t, o)
	defer source.Close()
	if out, err := source.Read(t.Context()); len(out) != 1 || fault.KindOf(err) != fault.NotFound || s.asked["GET "+metrics] != 1 {
		t.Errorf("%+v %v", out, err)
	}
	for text, kind := range map[string]fault.Kind{
		`{"PowerWatts":{"Reading":null}}`:   fault.Unavailable,
		`{"PowerWatts":{"Reading":"many"}}`: fault.NotFound,
		`[1]`:                               fault.Invalid,
		`{"x":"` + strings.Repeat("x", maxBody) + `"}`: fault.Invalid,
	} {
		s.docs = with(rackmount, metrics, text)
		o.Channels = o.Channels[:1]
		source := open(t, o)
		if out, err := source.Read(t.Context()); len(out) != 0 || fault.KindOf(err) != kind {
			t.Errorf("%.40s: %+v %v", text, out, err)
		}
		source.Close()
	}
}

func TestDeclarations(t *testing.T) {
	for _, o := range []Options{
		{Address: ""}, {Address: "ftp://h"}, {Address: "https://u:p@h"}, {Address: "https://h/redfish"}, {Address: "http://h", User: "u", Secret: "s"},
		{Address: "h", User: "u"}, {Address: "h", Secret: "s"}, {Address: "h", Fingerprint: "12"}, {Address: "h", CA: "/nowhere"},
		{Address: "h", Channels: []sensor.Channel{{Name: "a", Address: "http://other/redfish", Field: "x"}}},
	} {
		if _, err := New(o); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
