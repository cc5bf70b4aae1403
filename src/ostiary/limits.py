"""Every bound, with its unit and its reason. Nothing here is a setting: settings choose values inside these bounds."""

# --- What a request may bring -------------------------------------------------------------------------------------
BODY_BYTES = 64 * 1024  # a login or an account change is a few hundred bytes
HEADERS_BYTES = 16 * 1024  # names and values together; twice what browsers send with every cookie we set
HEAD_BYTES = 64 * 1024  # request line and headers as they come; more is not kept until it can be refused politely
PIPELINED_REQUESTS = 64  # that wait on one connection for their turn; no browser and no proxy sends any
HEADERS_SECONDS = 20.0  # until the headers of a request are there; a browser sends them at once, a bad line in seconds
BODY_SECONDS = 30.0  # until the body is there: 64 KiB in that time is a line of 17 kbit/s
CREDENTIAL_CHARS = 4096  # one credential; what a browser keeps of one cookie (RFC 6265bis section 5.6)
ENCRYPTED_CREDENTIAL_CHARS = 8192  # a JWE around a JWS of the above
PASSWORD_CHARS = 1024  # code points; longer ones would only buy the sender our processor time
PASSWORD_CHARS_MIN = 8  # code points; no setting allows less (NIST SP 800-63B-4 section 3.1.1.2)
USERNAME_CHARS = 128  # code points after normalisation
DISPLAY_NAME_CHARS = 200
EMAIL_CHARS = 254  # RFC 5321 section 4.5.3.1.3 as corrected
USER_AGENT_CHARS = 512  # what is kept to make a label of
PAGE_ROWS = 100  # rows of one listing
PAGE_ROWS_DEFAULT = 50
AUDIT_EXPORT_ROWS = 1000  # events that an export reads at one go
ROLES_PER_ACCOUNT = 32
SCOPES_PER_TOKEN = 64
SERVICE_NAME_CHARS = 256
SCOPE_CHARS = 128  # of one of them
AUDIENCES_PER_TOKEN = 16
CURSOR_CHARS = 1536  # an e-mail address of the longest, an id, and what packing adds

# --- JOSE ---------------------------------------------------------------------------------------------------------
JSON_DEPTH = 16  # levels of nesting in a header, a payload, a key or a request body
JSON_MEMBERS = 256  # members of one object
HEADER_CHARS = 4096  # one encoded JOSE header
JWK_BYTES = 64 * 1024  # one key, as JSON
JWK_SET_KEYS = 128  # keys of one set
KID_CHARS = 256
RSA_BITS_MIN = 2048  # RFC 7518 section 3.3
RSA_BITS_MAX = 16384  # a key out of an operator's own file; one verification takes 0.7 to 4 ms
RSA_BITS_RECEIVED = 4096  # a key that somebody else sends: 0.05 to 0.2 ms, as the slowest curve takes
NUMERIC_DATE_MAX = 10**12  # seconds: the year 33658. A date in milliseconds is above 1.6 * 10**12 and so is refused

# --- Tokens -------------------------------------------------------------------------------------------------------
ISSUED_TOKEN_CHARS = 2048  # an access token larger than this is refused at issue: it would not fit beside other cookies
INTERNAL_TOKEN_SECONDS = 60  # exchanged and forward-auth tokens
RESOURCE_BYTES = 1024  # what a one-time token is for, in UTF-8: a quarter of a credential once it is encoded
RESOURCE_SEGMENT_BYTES = 255  # one name of it; what file systems take (NAME_MAX)
ACTION_CHARS = 64
ACTOR_DEPTH = 8  # nested `act` (RFC 8693 section 4.1)
PROOF_SECONDS = 60.0  # age of a DPoP proof; the clock's leeway comes on top on both sides
PROOF_ID_CHARS = 256  # its `jti`
PROOFS_REMEMBERED = 200_000  # proofs of one process that may not be used again; about 200 bytes each
MOVES_REMEMBERED = 10_000  # sessions of one process whose turning up at another place has been told
PROOF_NONCE_SECONDS = 300.0  # a nonce is handed out for this long, and accepted for as long again
STATUS_LIST_PLACES = 2**20  # bits of one status list: 128 KiB before compression, a few hundred bytes while few are set
STATUS_LISTS = 16  # lists under one count of "everything": 16 million sessions of an hour
STATUS_LIST_TTL = 10  # seconds that a status list may be kept by whoever fetched it
STATUS_LIST_SECONDS = 300  # after which it says nothing any more
STATUS_LIST_CHARS = 256 * 1024  # a status list token: more than incompressible bits and the rest of it take
STATUS_LIST_BYTES = 8 * 1024 * 1024  # a status list of somebody else's, decompressed
STATUS_LISTS_KEPT = 64  # status lists that one verifier keeps
STATUS_LIST_KEPT_SECONDS = 300.0  # a status list that says more, or nothing, is fetched anew after this
STATUS_PLACE_SECONDS = 3600  # a session keeps its place in a status list for so long; then it gets another
STATUS_PLACES_PER_SESSION = 32  # that are remembered of one session; each change of its version or epoch takes one
TRANSFER_SECONDS = 600.0  # a transfer may be begun or resumed for this long after its token was spent
TRANSFER_SPARE_BYTES = 64 * 1024  # beyond twice the file's size: what probing a small file takes
TRANSFER_PIECES = 4096  # answers that are remembered of one transfer; a manager that asks for more begins anew
TRANSFER_CHUNK_BYTES = 256 * 1024  # read at one go: waking a thread costs little, and many may be in memory
SPENT_MARGIN_SECONDS = 300.0  # a spent token is remembered beyond its end: clocks of two servers may differ by this
ASSERTION_SECONDS = 600  # how far ahead a client's assertion (RFC 7523) may expire: its `jti` is remembered that long
JTI_CHARS = 256
CLIENT_NAMES = 64  # grants, audiences, targets or scopes of one client
CLIENT_NAME_CHARS = 200
CLIENT_ID_CHARS = 64  # a client's id, as presented; ours have 26
CLIENT_KEYS = 16  # keys of one client
EXPLAINED_CHARS = 32 * 1024  # a text that is taken apart for a person: four times what could be accepted

# --- Memory and work ----------------------------------------------------------------------------------------------
RECOGNISED_SECONDS = 240.0  # a recognised session is read from the store again after this; revocations live longer
RECOGNISED_CREDENTIALS = 100_000  # credentials that one process remembers; about 1 KiB each
REMEMBERED_CLIENTS = 10_000  # registered clients that one process remembers
REMEMBERED_SESSIONS = 10_000  # sessions that one process remembers for their next refresh; about 1.5 KiB each
REMEMBERED_ACCOUNTS = 10_000  # accounts, as well; about 1 KiB each
REFRESHING_SESSIONS = 50_000  # sessions of one process whose refreshes in this minute are counted; 200 bytes each
CHECKED_CHARS = 300_000  # of passwords that one network may have judged in a minute without setting one: 1000 sign-ups
CHECKING_NETWORKS = 10_000  # networks of one process whose questions in this minute are counted
REMEMBERED_SECONDS = 3600.0  # of both, after the last refresh; access tokens live for a part of that
ATTEMPT_SECONDS = 30.0  # that a login attempt may take; a full queue of hashes is done in half of it
HASH_QUEUE = 512  # password hashes that may wait; beyond it 503 `overloaded`
LAST_SEEN_INTERVAL = 60.0  # seconds between writes of one session's `last_seen_at`
SWAP_ATTEMPTS = 64  # times that a lost race is judged again before `conflict`
REVOCATION_PAGE = 1000  # log items of one probe
CATCH_UP_PAGE = 16_000  # of one probe of a process that is far behind
CATCH_UP_ITEMS = 16_384  # that are told in bulk at a time, some 400 KB: milliseconds of the store
CATCH_UP_LEAST = 4_096  # fewer are told one by one
REPLICA_ENTRIES = 1_000_000  # revocations that one process holds, about 100 bytes each; with more, everything is ended
REPLICA_YOUNG_ENTRIES = 5_000  # ended sessions that it keeps so; of more, the oldest are packed, and four count for one
ASK_SECONDS = 0.25  # a request without a lease waits so long for the log before it is 503
FEED_STREAMS = 1000  # streams of revocations of one process; beyond it 503 `overloaded`
FEED_KEEP_ALIVE = 10.0  # seconds of silence after which a stream says that it lives
FEED_NODE_CHARS = 32
FEED_ANSWER_BYTES = 1024 * 1024  # one answer of the feed, as fetched: seven times what a page of it takes
FEED_ASK_SECONDS = 2.0  # a request to a verifier without a lease waits so long for the issuer before it is 503
FEED_LEASE_SECONDS = 60.0  # an issuer that lends more is asked all the same
CLOCK_DRIFT = (
    0.002  # by how much two machines' clocks may run apart: twice what NTP corrects by at most, and twice again
)
AUDIT_SECONDS = 90 * 86_400  # audit events are kept this long
ENDED_SESSION_SECONDS = 86_400  # ended sessions stay this long, so that a late reuse is still named in the audit trail
SETUP_LINK_SECONDS = 86_400  # the link of the first start is good for this long
IMPORT_BATCH = 500  # accounts of one transaction of an import
HASH_MEMORY_KIB = 1024 * 1024  # memory that one password hash may ask for, also an imported one
HASH_PASSES = 64  # passes over it
HASH_LANES = 64
HASH_ITERATIONS = 10_000_000  # of an imported PBKDF2 hash; Django 6 uses 1.2 million
STORED_PASSWORD_CHARS = 1024  # the text of one stored password hash
STORE_QUEUE = 10_000  # reads or writes of one process that may wait for a store; beyond it 503 `overloaded`
STORE_BATCH = 256  # of them that are done at one go: bounds how long one transaction keeps other processes waiting

# --- Checking elsewhere: `ostiary.verifier` -------------------------------------------------------------------------
DOCUMENT_BYTES = JWK_BYTES  # a key set or the metadata of an issuer, as fetched
URL_CHARS = 2048
FETCH_SECONDS = 5.0  # one fetch, from the first byte sent to the last received; what a request may have to wait
KEY_SET_SECONDS = 300.0  # a key set without Cache-Control counts as fresh for this long
KEY_SET_SECONDS_MIN = 30.0  # an issuer that says less is not asked more often for it
KEY_SET_SECONDS_MAX = 3600.0  # an issuer that says more is asked all the same: a revoked key may be believed so long
KEY_SET_COOLDOWN = 10.0  # seconds between fetches that unknown key ids may cause
KEY_SET_STALE_SECONDS = 3600.0  # age at which keys are no longer used if the issuer cannot be reached
METADATA_SECONDS_MAX = 86_400.0
VERIFIED_SECONDS = 300.0  # a verified token is looked at anew after this
OUTGOING_TOKENS = 10_000  # tokens for other services that one process keeps; about 1.5 KiB each
VERIFIED_BYTES = 25_000_000  # verified tokens that one verifier remembers: 10,000 of 1 KiB

# --- Handing on: `ostiary.relay` ------------------------------------------------------------------------------------
RELAY_ITEMS = 8_000_000  # items that a relay holds, about 70 bytes each: as many ended sessions as a process can know
RELAY_PAGE_BYTES = 256 * 1024  # items of one answer of a relay: a quarter of what a follower reads
RELAY_LARGE_BYTES = 64 * 1024  # an answer above this counts as a large one
RELAY_LARGE_ANSWERS = 250  # that are being sent at the same time: 62 MB; beyond it 503 `overloaded`
RELAY_SEND_SECONDS = 30.0  # until an answer is sent; whoever does not read it is let go
RELAY_FOLLOWERS = 25_000  # that may have a lease by one relay, some 300 bytes each; 20,000 of one client
RELAY_ASSERTIONS = 500_000  # assertions that a relay remembers until they expire, some 300 bytes each
RELAY_QUESTIONS = 50  # a second, that a relay sends because its followers want them; those who come between share one
RELAY_STREAMS = 12_500  # streams of one relay, 10,000 of one client; beyond it 503 `overloaded`
RELAY_STREAM_BYTES = 256 * 1024  # that wait for one reader; with more it is dropped, and begins anew where it was
RELAY_HINTS = 10_000  # items that a relay has heard of and not yet read
RELAY_FOLLOWERS_BYTES = 4 * 1024 * 1024  # the file that says who may follow: some 40,000 lines
