// Package mqtt hears meters that publish over MQTT 3.1.1: a topic for each value,
// as a number or as a field of a JSON document. It owns how a message becomes a
// sample; it publishes nothing. Read this file first, then payload.go.
package mqtt

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"tianfu/fault"
	"tianfu/sensor"
	"tianfu/unit"
)

// Bounds of a connection.
const (
	connectTimeout = 2 * time.Second
	keepAlive      = 20 * time.Second
	defaultStale   = 5 * time.Minute
)

// Options say which broker is heard and what of it.
type Options struct {
	Address      string // host, host:port, mqtt://host:port or mqtts://host:port
	User, Secret string
	CA           string
	Fingerprint  string
	Covers       sensor.Covers
	Channels     []sensor.Channel
	Stale        time.Duration // a value that is older is lost; 0 is five minutes
}

// Source keeps the newest value of every channel.
type Source struct {
	o        Options
	name     string
	tls      *tls.Config
	channels []sensor.Channel
	topics   map[string][]int // channels by topic
	client   paho.Client
	closed   bool

	mu      sync.Mutex
	latest  []heard
	changed chan struct{} // closed at the next message
}

// heard is what a channel last said.
type heard struct {
	sample sensor.Sample // At 0: nothing yet
	err    error         // of the newest message, if it made no sense
}

// New checks what is declared; it does not connect.
func New(o Options) (*Source, error) {
	u, err := brokerURL(o.Address)
	if err != nil {
		return nil, err
	}
	channels, err := sensor.SortChannels(o.Channels)
	if err != nil {
		return nil, err
	}
	s := &Source{o: o, name: u.Scheme + "://" + u.Host, channels: channels, topics: map[string][]int{}, latest: make([]heard, len(channels)), changed: make(chan struct{})}
	if s.o.Stale <= 0 {
		s.o.Stale = defaultStale
	}
	for i := range channels {
		topic := channels[i].Address
		if topic == "" || len(topic) > 1024 || strings.ContainsAny(topic, "+#\x00") {
			return nil, fault.New(fault.Invalid, "channel "+channels[i].Name, fmt.Sprintf("%.80q is no topic", topic), "name one topic, such as plant/pdu1/energy; + and # are not taken")
		}
		s.topics[topic] = append(s.topics[topic], i)
	}
	if s.tls, err = sensor.TLS(o.CA, o.Fingerprint); err != nil {
		return nil, err
	}
	if u.Scheme == "mqtt" && (o.CA != "" || o.Fingerprint != "") {
		return nil, fault.New(fault.Invalid, "address", "a certificate is declared, and the connection would not be encrypted", "write mqtts://"+u.Host)
	}
	return s, nil
}

// brokerURL reads an address; the port is that of the scheme when left out.
func brokerURL(address string) (*url.URL, error) {
	if !strings.Contains(address, "://") {
		address = "mqtt://" + address
	}
	u, err := url.Parse(address)
	bad := err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != ""
	if bad || u.Scheme != "mqtt" && u.Scheme != "mqtts" {
		return nil, fault.New(fault.Invalid, "address", fmt.Sprintf("%.120q is no broker", address), "such as mqtt://10.0.0.5:1883 or mqtts://broker:8883; user and secret_env are keys of their own")
	}
	if u.Port() == "" {
		u.Host += map[string]string{"mqtt": ":1883", "mqtts": ":8883"}[u.Scheme]
	}
	return u, nil
}

// Read returns the newest values. The first one waits until every channel has
// said something, as long as its context lets it; afterwards a value is kept
// until it is stale.
func (s *Source) Read(ctx context.Context) ([]sensor.Sample, error) {
	if s.closed {
		return nil, fault.New(fault.Unavailable, s.name, "is closed", "")
	}
	if err := ctx.Err(); err != nil {
		return nil, fault.New(fault.Unavailable, s.name, err.Error(), "")
	}
	if s.client == nil || !s.client.IsConnectionOpen() {
		if err := s.connect(ctx); err != nil {
			return nil, err
		}
	}
	for {
		out, silent, changed, err := s.values()
		if !silent {
			return out, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return out, err
		}
		if !s.client.IsConnectionOpen() {
			return out, fault.New(fault.Unavailable, s.name, "the connection is lost", "")
		}
	}
}

// values returns what is known, whether a channel has never said anything, and
// the channel that closes at the next message.
func (s *Source) values() (out []sensor.Sample, silent bool, changed chan struct{}, failed error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := unit.Instant(time.Now().UnixNano())
	for i := range s.latest {
		h, topic := &s.latest[i], s.channels[i].Address
		switch {
		case h.err != nil:
			failed = fault.Wrap(h.err, s.name+" "+topic, "")
		case h.sample.At == 0:
			silent = true
			if failed == nil {
				failed = fault.New(fault.Unavailable, s.name+" "+topic, "nothing was published yet", "check the topic")
			}
			continue
		case now.Sub(h.sample.At) > s.o.Stale:
			failed = fault.New(fault.Unavailable, s.name+" "+topic, fmt.Sprintf("nothing was published for %v", now.Sub(h.sample.At).Round(time.Second)), "")
			continue
		}
		if h.sample.At > 0 {
			out = append(out, h.sample)
		}
	}
	return out, silent, s.changed, failed
}

// connect opens the connection and asks for the topics.
func (s *Source) connect(ctx context.Context) error {
	s.drop()
	o := paho.NewClientOptions().AddBroker(strings.Replace(s.name, "mqtts://", "ssl://", 1)).SetClientID("tianfu-" + rand.Text()[:16])
	o.SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).SetKeepAlive(keepAlive).SetConnectTimeout(connectTimeout).SetWriteTimeout(connectTimeout)
	o.SetTLSConfig(s.tls).SetUsername(s.o.User).SetPassword(s.o.Secret)
	o.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { s.take(m) })
	o.SetConnectionLostHandler(func(paho.Client, error) { s.wake() })
	client := paho.NewClient(o)
	if err := s.wait(ctx, client.Connect()); err != nil {
		go client.Disconnect(0)
		return err
	}
	filters := make(map[string]byte, len(s.topics))
	for topic := range s.topics {
		filters[topic] = 0
	}
	token := client.SubscribeMultiple(filters, nil)
	if err := s.wait(ctx, token); err != nil {
		go client.Disconnect(0)
		return err
	}
	for topic, code := range token.(*paho.SubscribeToken).Result() {
		if code >= 0x80 {
			go client.Disconnect(0)
			return fault.New(fault.Denied, s.name+" "+topic, "the broker does not let us hear it", "")
		}
	}
	s.client = client
	return nil
}

// wait waits for an answer of the broker.
func (s *Source) wait(ctx context.Context, t paho.Token) error {
	select {
	case <-t.Done():
	case <-ctx.Done():
		return fault.New(fault.Unavailable, s.name, ctx.Err().Error(), "")
	}
	err := t.Error()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return fault.New(fault.Denied, s.name, "the broker refuses: "+err.Error(), "check user and secret_env")
	}
	return &fault.Error{Kind: fault.Unavailable, Where: s.name, What: "connect", Err: err}
}

// take keeps a message. What the broker kept from before counts only where
// nothing newer is known: it says when it was heard, not when it was true.
func (s *Source) take(m paho.Message) {
	at := unit.Instant(time.Now().UnixNano())
	s.mu.Lock()
	for _, i := range s.topics[m.Topic()] {
		h := &s.latest[i]
		if m.Retained() && h.sample.At > 0 {
			continue
		}
		c := &s.channels[i]
		var sample sensor.Sample
		text, err := number(m.Payload(), c.Field)
		if err == nil {
			sample, err = c.Decimal(text, s.o.Covers, max(at, h.sample.At))
		}
		if h.err = err; err == nil {
			h.sample = sample
		}
	}
	s.mu.Unlock()
	s.wake()
}

func (s *Source) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Source) drop() {
	if s.client != nil {
		s.client.Disconnect(0)
		s.client = nil
	}
}

// Close ends the connection.
func (s *Source) Close() error {
	s.closed = true
	s.drop()
	return nil
}
