# Everything a developer runs. `make demo` is the place to start.
.PHONY: all build test race lint demo bench verify-placement verify-green verify-live clean

# NVML's header marks calls as deprecated that nobody here makes.
export CGO_CFLAGS += -O2 -g -Wno-deprecated-declarations

all: build test

build: ## the binary, bin/tianfu
	go build -o bin/tianfu ./cmd/tianfu

test: ## all tests
	go vet ./...
	go test ./...

race: ## the concurrent parts under the race detector
	go test -race -short -timeout 20m ./cmd/... ./control ./live

lint: ## static checks
	go run honnef.co/go/tools/cmd/staticcheck@latest ./...

demo: build ## make a workload, replay it on the Chengdu example, write a report
	bin/tianfu trace generate --world examples/chengdu.yaml --tasks 60000 --named 0.3 --load 1.02 --median 90m --sigma 1 --out out/demo
	bin/tianfu replay --world examples/chengdu.yaml --tasks out/demo/jobs.csv --policy tianfu,fgd --html out/demo/report.html
	@xdg-open out/demo/report.html 2>/dev/null || open out/demo/report.html 2>/dev/null || echo "look at out/demo/report.html"

bench: ## benchmarks of the rooms
	go test -run '^$$' -bench . -benchmem ./...

verify-placement: ## the placement figures: asked, measured, held or short
	go run ./cmd/verify placement

verify-green: ## the figures of facility, carbon and shifting
	go run ./cmd/verify green

verify-live: ## the live centre: figures, peers, and the long forms of the proofs
	go run ./cmd/verify live

clean:
	rm -rf bin out
