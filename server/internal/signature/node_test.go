package signature_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/straw-gateway/straw/server/internal/signature"
)

// handler is the middleware that Juicebox documents, with its types removed and nothing else changed, driven with the
// request in argv and on stdin.
const handler = `
const crypto = require("crypto");
function verifyJuiceboxSignature(req, res, next) {
const signature = req.headers["x-juicebox-signature"];
const expected = crypto.createHmac("sha256", process.env.JUICEBOX_WEBHOOK_SECRET)
.update(req.body).digest("hex");
if (!crypto.timingSafeEqual(Buffer.from(signature), Buffer.from(expected))) {
return res.status(401).json({ error: "Invalid signature" });
}
next();
}
const req = {headers: {"x-juicebox-signature": process.argv[1]}, body: require("fs").readFileSync(0)};
const res = {status: (code) => ({json: (body) => console.log(code, JSON.stringify(body))})};
verifyJuiceboxSignature(req, res, () => console.log("next"));
`

const signer = `
process.stdout.write(require("crypto").createHmac("sha256", process.env.JUICEBOX_WEBHOOK_SECRET)
.update(require("fs").readFileSync(0)).digest("hex"));
`

func node(t *testing.T, secret string, stdin []byte, script string, args ...string) string {
	t.Helper()
	cmd := exec.Command("node", append([]string{"-e", script}, args...)...)
	cmd.Env = append(cmd.Environ(), "JUICEBOX_WEBHOOK_SECRET="+secret)
	cmd.Stdin = strings.NewReader(string(stdin))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v (this test needs Node.js, whose signatures Juicebox documents)", err)
	}
	return strings.TrimSpace(string(out))
}

// Node's signatures verify here, and ours verify in the handler that Juicebox documents.
func TestNodeAgrees(t *testing.T) {
	bodies := map[string][]byte{
		"typical":     []byte(body),
		"empty":       {},
		"not UTF-8":   {0xff, 0x00, 0x0d, 0x0a},
		"not ASCII":   []byte(`{"query":"Zürich 🧃"}`),
		"ends in LF":  []byte(body + "\n"),
		"a megabyte":  []byte(strings.Repeat("0123456789abcdef", 1<<16)),
		"with quotes": []byte(`{"query":"\"$(id)\""}`),
	}
	const secret = "whsec_Übung 'with' $everything"
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			if _, err := newSet(t, "another", secret).Verify([]string{node(t, secret, body, signer)}, body); err != nil {
				t.Errorf("Node's signature is refused: %v", err)
			}
			ours := signature.Sign([]byte(secret), body)
			if got := node(t, secret, body, handler, ours); got != "next" {
				t.Errorf("Juicebox's documented handler answers %s to our signature", got)
			}
			if got, want := node(t, "another", body, handler, ours), `401 {"error":"Invalid signature"}`; got != want {
				t.Errorf("Juicebox's documented handler answers %s under another secret, want %s", got, want)
			}
		})
	}
}
