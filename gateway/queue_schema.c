/*
 * The schema of queue.db, and how an old one becomes the present one.
 *
 * PRAGMA application_id says that the file is ours, PRAGMA user_version how
 * many of the migrations below it has seen.  Migrations only go forward: a
 * released one is never edited, a change of the schema is a new entry.  What
 * the tables mean is in doc/QUEUE.md.
 *
 * Here the file is recognised and its pages are checked (what their content
 * says, nobody knows: SQLite has no sums), and preparing the statements (which name their
 * tables, columns and indexes) proves that the schema fits.
 */
#include "gateway/queue_db.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>

#include "gateway/queue.h"

/* "MULE" */
#define APPLICATION_ID 0x4d554c45

static const char version_1[] =
    "CREATE TABLE hop ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL UNIQUE"
    ") STRICT;"

    "CREATE TABLE message ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " origin INTEGER NOT NULL CHECK (origin BETWEEN 0 AND 2),"
    " from_link TEXT NOT NULL,"
    " from_line TEXT NOT NULL,"
    " priority INTEGER NOT NULL CHECK (priority BETWEEN -9 AND 9),"
    " accepted_at INTEGER NOT NULL,"
    " expires_at INTEGER NOT NULL,"
    " deliver_by INTEGER NOT NULL,"
    " by_mode INTEGER NOT NULL,"
    " by_trace INTEGER NOT NULL CHECK (by_trace IN (0, 1)),"
    " size INTEGER NOT NULL CHECK (size >= 0),"
    " in_file INTEGER NOT NULL CHECK (in_file IN (0, 1))"
    ") STRICT;"
    "CREATE INDEX message_expiry ON message (expires_at);"
    "CREATE INDEX message_in_file ON message (id) WHERE in_file = 1;"

    /* Apart from the message, so that looking at messages stays cheap. */
    "CREATE TABLE body ("
    " message_id INTEGER PRIMARY KEY"
    "  REFERENCES message (id) ON DELETE CASCADE,"
    " data BLOB NOT NULL"
    ") STRICT;"

    "CREATE TABLE transmission ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " message_id INTEGER NOT NULL REFERENCES message (id),"
    " link TEXT NOT NULL,"
    " grp INTEGER NOT NULL,"
    " msid INTEGER NOT NULL UNIQUE CHECK (msid > 0),"
    " priority INTEGER NOT NULL,"
    " expires_at INTEGER NOT NULL,"
    " size INTEGER NOT NULL,"
    " in_file INTEGER NOT NULL CHECK (in_file IN (0, 1))"
    ") STRICT;"
    "CREATE INDEX transmission_message ON transmission (message_id);"
    "CREATE INDEX transmission_link ON transmission (link, priority, id);"
    "CREATE INDEX transmission_in_file ON transmission (id)"
    " WHERE in_file = 1;"

    "CREATE TABLE payload ("
    " transmission_id INTEGER PRIMARY KEY"
    "  REFERENCES transmission (id) ON DELETE CASCADE,"
    " data BLOB NOT NULL"
    ") STRICT;"

    "CREATE TABLE destination ("
    " transmission_id INTEGER NOT NULL REFERENCES transmission (id),"
    " node INTEGER NOT NULL,"
    " seq INTEGER NOT NULL,"
    " PRIMARY KEY (transmission_id, node)"
    ") STRICT, WITHOUT ROWID;"

    /* urgency is the negative priority of the message: least comes first. */
    "CREATE TABLE recipient ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " message_id INTEGER NOT NULL REFERENCES message (id),"
    " hop_id INTEGER NOT NULL REFERENCES hop (id),"
    " node INTEGER NOT NULL,"
    " line TEXT NOT NULL,"
    " urgency INTEGER NOT NULL,"
    " state TEXT NOT NULL CHECK (state IN ('ready', 'waiting', 'sent')),"
    " next_at INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL,"
    " status TEXT NOT NULL,"
    " transmission_id INTEGER REFERENCES transmission (id),"
    " CHECK ((state = 'sent') = (transmission_id IS NOT NULL))"
    ") STRICT;"
    "CREATE INDEX recipient_hop"
    " ON recipient (hop_id, state, urgency, message_id);"
    "CREATE INDEX recipient_message ON recipient (message_id);"
    "CREATE INDEX recipient_waiting ON recipient (next_at)"
    " WHERE state = 'waiting';"
    "CREATE INDEX recipient_transmission ON recipient (transmission_id, node)"
    " WHERE transmission_id IS NOT NULL;"

    "CREATE TABLE tombstone ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " link TEXT NOT NULL,"
    " source INTEGER NOT NULL,"
    " msid INTEGER NOT NULL,"
    " expires_at INTEGER NOT NULL,"
    " UNIQUE (link, source, msid)"
    ") STRICT;"
    "CREATE INDEX tombstone_expiry ON tombstone (expires_at);"
    "CREATE INDEX tombstone_link ON tombstone (link, id);"

    "CREATE TABLE quarantine ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " link TEXT NOT NULL,"
    " source INTEGER NOT NULL,"
    " msid INTEGER NOT NULL,"
    " at INTEGER NOT NULL,"
    " reason TEXT NOT NULL,"
    " size INTEGER NOT NULL,"
    " data BLOB NOT NULL"
    ") STRICT;"

    /* 'msid' of node 0: the last Message_ID; 'seq': the last per node. */
    "CREATE TABLE counter ("
    " name TEXT NOT NULL CHECK (name IN ('msid', 'seq')),"
    " node INTEGER NOT NULL,"
    " value INTEGER NOT NULL,"
    " PRIMARY KEY (name, node)"
    ") STRICT, WITHOUT ROWID;";

/*
 * EMCON that an operator set, and what a restart must not cost air time for:
 * to whom Acks are owed, which rounds were sent, what came in of a message.
 */
static const char version_2[] =
    /* Node 0 is this node itself.  is_set: not just what was configured. */
    "CREATE TABLE emcon ("
    " link TEXT NOT NULL,"
    " node INTEGER NOT NULL,"
    " is_on INTEGER NOT NULL CHECK (is_on IN (0, 1)),"
    " is_set INTEGER NOT NULL CHECK (is_set IN (0, 1)),"
    " since INTEGER NOT NULL,"
    " began_at INTEGER NOT NULL,"
    " PRIMARY KEY (link, node)"
    ") STRICT, WITHOUT ROWID;"

    /* Older ones: nothing is owed, because nobody knows to whom. */
    "ALTER TABLE tombstone ADD COLUMN address BLOB NOT NULL DEFAULT x'';"
    "ALTER TABLE tombstone ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE tombstone ADD COLUMN committed_at INTEGER NOT NULL DEFAULT 0;"

    "ALTER TABLE transmission ADD COLUMN rounds INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE transmission"
    " ADD COLUMN emcon_rounds INTEGER NOT NULL DEFAULT 0;"

    /* size: octets of its pieces. */
    "CREATE TABLE partial ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " link TEXT NOT NULL,"
    " source INTEGER NOT NULL,"
    " msid INTEGER NOT NULL,"
    " priority INTEGER NOT NULL,"
    " seq INTEGER NOT NULL,"
    " total INTEGER NOT NULL,"
    " expires_at INTEGER NOT NULL,"
    " keep_until INTEGER NOT NULL,"
    " address BLOB NOT NULL,"
    " size INTEGER NOT NULL,"
    " UNIQUE (link, source, msid)"
    ") STRICT;"
    "CREATE INDEX partial_link ON partial (link, id);"
    "CREATE INDEX partial_old ON partial (keep_until);"

    "CREATE TABLE partial_piece ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " partial_id INTEGER NOT NULL"
    "  REFERENCES partial (id) ON DELETE CASCADE,"
    " data BLOB NOT NULL"
    ") STRICT;"
    "CREATE INDEX piece_partial ON partial_piece (partial_id, id);";

/* When the sender is to be told of the delay; 0: never, or he has been. */
static const char version_3[] =
    "ALTER TABLE message ADD COLUMN warn_at INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX message_warn ON message (warn_at) WHERE warn_at > 0;";

/* What the wall clock said when somebody last looked; see queue_clock.c. */
static const char version_4[] = "CREATE TABLE clock ("
				" id INTEGER PRIMARY KEY CHECK (id = 1),"
				" seen INTEGER NOT NULL"
				") STRICT;";

static const char *const migrations[] = {
	version_1,
	version_2,
	version_3,
	version_4,
};
#define VERSION_NOW ((int64_t)(sizeof(migrations) / sizeof(migrations[0])))

struct opening {
	struct queue_db *db;
	const char *path;
	char *errbuf;
	size_t errcap;
};

__attribute__((format(printf, 3, 4))) static int
refuse(struct opening *o, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(o->errbuf, o->errcap, fmt, ap);
	va_end(ap);
	return rc;
}

static int
failed(struct opening *o, int rc, const char *what)
{
	if (rc == QUEUE_ECORRUPT)
		return refuse(o, rc,
		    "%s: %s: not a sound queue database (%s); restore it from "
		    "a backup, or take out what is readable with `mulectl "
		    "queue salvage` and move the state directory away to start "
		    "empty",
		    o->path, what, queue_db_message(o->db));
	return refuse(o, rc, "%s: %s: %s (%s)", o->path, what,
	    queue_strerror(rc), queue_db_message(o->db));
}

static int
migrate_one(struct opening *o, int64_t version)
{
	char pragmas[96];
	int rc = queue_db_exec(o->db, "BEGIN IMMEDIATE");

	snprintf(pragmas, sizeof(pragmas),
	    "PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION_ID,
	    (int)version + 1);
	if (rc == QUEUE_OK)
		rc = queue_db_exec(o->db, migrations[version]);
	if (rc == QUEUE_OK)
		rc = queue_db_exec(o->db, pragmas);
	if (rc == QUEUE_OK)
		rc = queue_db_exec(o->db, "COMMIT");
	/* An error leaves the file as it was: closing rolls back. */
	return rc == QUEUE_OK ? rc : failed(o, rc, "schema");
}

/* What it is decides whether we may touch it at all. */
static int
recognise(struct opening *o, int64_t *ret_version)
{
	int64_t app = 0, version = 0, objects = 0;
	int rc = queue_db_number(o->db, "PRAGMA application_id", &app);

	if (rc == QUEUE_OK)
		rc = queue_db_number(o->db, "PRAGMA user_version", &version);
	if (rc == QUEUE_OK)
		rc = queue_db_number(
		    o->db, "SELECT count(*) FROM sqlite_schema", &objects);
	if (rc != QUEUE_OK)
		return failed(o, rc, "cannot read");
	if (app != APPLICATION_ID && (app != 0 || version != 0 || objects != 0))
		return refuse(o, QUEUE_ECORRUPT,
		    "%s: the database of another program; check the state "
		    "directory in the configuration",
		    o->path);
	if (version > VERSION_NOW)
		return refuse(o, QUEUE_EVERSION,
		    "%s: schema version %lld was made by a newer muled; this "
		    "one knows up to %lld: install the newer program again",
		    o->path, (long long)version, (long long)VERSION_NOW);
	*ret_version = version;
	return QUEUE_OK;
}

/*
 * Every page is looked at: a damaged one that is met only later would be met
 * by mail that has been accepted meanwhile.
 */
static int
check_sound(struct opening *o)
{
	int rc = queue_db_expect(o->db, "PRAGMA quick_check(1)", "ok");

	if (rc == QUEUE_ENOMEM)
		return failed(o, rc, "cannot check");
	if (rc != QUEUE_OK)
		return refuse(o, QUEUE_ECORRUPT,
		    "%s: damaged (PRAGMA quick_check); restore it from a "
		    "backup, or take out what is readable with `mulectl queue "
		    "salvage` and move the state directory away to start empty",
		    o->path);
	return QUEUE_OK;
}

static int
write_mode(struct opening *o)
{
	/*
	 * secure_delete=FAST does not write pages only to blank them, which
	 * Debian's default does: it would double what a delivery costs.
	 */
	static const char pragmas[] = "PRAGMA synchronous=FULL;"
				      "PRAGMA secure_delete=FAST;"
				      "PRAGMA temp_store=MEMORY;"
				      "PRAGMA cache_size=-8000;"
				      "PRAGMA journal_size_limit=67108864;";
	int64_t full = 0;
	int rc = queue_db_expect(o->db, "PRAGMA journal_mode=WAL", "wal");

	if (rc == QUEUE_OK)
		rc = queue_db_exec(o->db, pragmas);
	if (rc == QUEUE_OK)
		rc = queue_db_number(o->db, "PRAGMA synchronous", &full);
	if (rc != QUEUE_OK)
		return failed(o, rc, "cannot set up");
	/* The promise of the whole program rests on it. */
	if (full != 2)
		return refuse(o, QUEUE_EIO,
		    "%s: SQLite does not accept synchronous=FULL", o->path);
	return QUEUE_OK;
}

int
queue_schema_open(const char *path, struct queue_shim *shim, bool may_create,
    bool check, char *errbuf, size_t errcap, struct queue_db **ret_db)
{
	struct opening o = { .path = path, .errbuf = errbuf, .errcap = errcap };
	int64_t version = 0;
	int rc = queue_db_open(path, shim, false, &o.db);

	if (rc != QUEUE_OK)
		return refuse(
		    &o, rc, "%s: cannot open: %s", path, queue_strerror(rc));
	rc = recognise(&o, &version);
	if (rc == QUEUE_OK && version == 0 && !may_create)
		rc = refuse(&o, QUEUE_ECORRUPT,
		    "%s is missing or empty, but there is mail in spool/; "
		    "restore it, or move the state directory away to start "
		    "empty",
		    path);
	if (rc == QUEUE_OK && check)
		rc = check_sound(&o);
	if (rc == QUEUE_OK)
		rc = write_mode(&o);
	for (; rc == QUEUE_OK && version < VERSION_NOW; version++)
		rc = migrate_one(&o, version);
	if (rc != QUEUE_OK) {
		queue_db_close(&o.db);
		return rc;
	}
	*ret_db = o.db;
	return QUEUE_OK;
}
