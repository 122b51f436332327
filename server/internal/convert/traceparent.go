package convert

// traceparentLen is the length of a W3C traceparent of version 00, and of the part of later ones that is known.
const traceparentLen = 55

// validTraceparent returns a W3C trace context, cut to the part that version 00 defines, or an empty string for what
// isn't one.
func validTraceparent(s string) string {
	switch {
	case len(s) < traceparentLen,
		s[2] != '-', s[35] != '-', s[52] != '-',
		!lowerHex(s[:2]), !lowerHex(s[3:35]), !lowerHex(s[36:52]), !lowerHex(s[53:55]),
		s[:2] == "ff",
		allZero(s[3:35]), allZero(s[36:52]):
		return ""
	case len(s) > traceparentLen && (s[:2] == "00" || s[traceparentLen] != '-'):
		return ""
	}
	return s[:traceparentLen]
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func allZero(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return false
		}
	}
	return true
}
