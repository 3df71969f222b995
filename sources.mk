# What the Makefile builds, one file a line and in the order of the alphabet,
# so that two people who add a file seldom meet.  Every list is explicit: a
# stray file is never built and a lost one is missed at once.

ASN1_SRC := \
	asn1/ber.c \
	asn1/cdt.c

PMUL_SRC := \
	pmul/ack.c \
	pmul/checksum.c \
	pmul/claim.c \
	pmul/config.c \
	pmul/engine.c \
	pmul/group.c \
	pmul/heap.c \
	pmul/node.c \
	pmul/pace.c \
	pmul/pdu.c \
	pmul/print.c \
	pmul/ring.c \
	pmul/rtt.c \
	pmul/rx.c \
	pmul/rx_keep.c \
	pmul/rx_life.c \
	pmul/seqset.c \
	pmul/store.c \
	pmul/table.c \
	pmul/turn.c \
	pmul/tx.c \
	pmul/tx_ack.c \
	pmul/tx_put.c \
	pmul/tx_round.c

SMTP_SRC := \
	smtp/client.c \
	smtp/client_env.c \
	smtp/client_mail.c \
	smtp/cmd.c \
	smtp/data.c \
	smtp/encode.c \
	smtp/message.c \
	smtp/mime.c \
	smtp/line.c \
	smtp/param.c \
	smtp/path.c \
	smtp/reply.c \
	smtp/server.c \
	smtp/server_auth.c \
	smtp/server_cmd.c

MULE_SRC := \
	mule/dsn.c \
	mule/envelope.c \
	mule/ext.c \
	mule/payload.c \
	mule/zip.c

CFG_SRC := \
	config/cfg.c \
	config/check.c \
	config/format.c \
	config/load.c \
	config/preset.c \
	config/print.c \
	config/scalar.c \
	config/schema.c \
	config/tree.c

GATEWAY_SRC := \
	gateway/bearer.c \
	gateway/bearer_silence.c \
	gateway/bearer_udp.c \
	gateway/body.c \
	gateway/clock.c \
	gateway/control.c \
	gateway/convert.c \
	gateway/delivery.c \
	gateway/dial.c \
	gateway/dns.c \
	gateway/flow.c \
	gateway/intake.c \
	gateway/link.c \
	gateway/log.c \
	gateway/login.c \
	gateway/main.c \
	gateway/mule_emcon.c \
	gateway/mule_end.c \
	gateway/mule_in.c \
	gateway/mule_keep.c \
	gateway/mule_link.c \
	gateway/mule_out.c \
	gateway/mule_pack.c \
	gateway/network.c \
	gateway/notify.c \
	gateway/operate.c \
	gateway/parameters.c \
	gateway/queue.c \
	gateway/queue_ask.c \
	gateway/queue_clock.c \
	gateway/queue_commit.c \
	gateway/queue_db.c \
	gateway/queue_lease.c \
	gateway/queue_link.c \
	gateway/queue_operate.c \
	gateway/queue_read.c \
	gateway/queue_recover.c \
	gateway/queue_schema.c \
	gateway/queue_spool.c \
	gateway/queue_thread.c \
	gateway/queue_txn.c \
	gateway/queue_vfs.c \
	gateway/queue_write.c \
	gateway/room.c \
	gateway/route.c \
	gateway/sasl.c \
	gateway/sched.c \
	gateway/sched_late.c \
	gateway/silence.c \
	gateway/silence_check.c \
	gateway/smtp_in.c \
	gateway/smtp_out.c \
	gateway/status.c \
	gateway/stream.c \
	gateway/tls.c

MULECTL_SRC := \
	tools/mulectl.c \
	tools/mulectl_operate.c \
	tools/mulectl_password.c \
	tools/mulectl_salvage.c

CHANNEL_SRC := \
	tools/channel.c \
	tools/channel_fade.c \
	tools/channel_loss.c \
	tools/channel_medium.c \
	tools/channel_random.c

MULELINK_SRC := \
	tools/mulelink.c \
	tools/mulelink_bridge.c \
	tools/mulelink_command.c \
	tools/mulelink_config.c \
	tools/mulelink_control.c \
	tools/mulelink_ctl.c \
	tools/mulelink_hub.c \
	tools/mulelink_keys.c \
	tools/mulelink_record.c \
	tools/mulelink_stats.c

ASN1_TESTS := \
	cdt

PMUL_TESTS := \
	claim \
	engine \
	groups \
	node \
	ntnu \
	pace \
	parts \
	pdu \
	rtt \
	rx \
	rx_ack \
	rx_keep \
	rx_shed \
	rx_silence \
	scenario \
	seqset \
	sim \
	sim_groups \
	sim_life \
	turn \
	tx \
	tx_ask \
	tx_emcon \
	tx_ntnu \
	tx_order \
	tx_resume

SMTP_TESTS := \
	mime \
	client \
	client_dialogue \
	client_limits \
	client_server \
	encode \
	param \
	reply \
	server

MULE_TESTS := \
	dsn \
	ext \
	payload \
	vectors \
	zip

CFG_TESTS := \
	cfg \
	links \
	values

GATEWAY_TESTS := \
	body \
	dns \
	flow \
	keep \
	link \
	queue \
	queue_clock \
	queue_disk \
	queue_link \
	queue_operate \
	queue_ready \
	queue_start \
	queue_states \
	queue_transmit \
	room \
	sasl

CHANNEL_TESTS := \
	channel \
	channel_collisions \
	channel_loss

ASN1_FUZZ := \
	cdt

PMUL_FUZZ := \
	engine \
	pdu

SMTP_FUZZ := \
	client \
	mime \
	server

MULE_FUZZ := \
	payload

CFG_FUZZ := \
	cfg

PMUL_TEST_SRC := \
	pmul/test/bench.c \
	pmul/test/group_bench.c \
	pmul/test/render.c \
	pmul/test/sim.c

# mulecap's capture reader and model of messages: pure.
CAP_SRC := \
	tools/cap_model.c \
	tools/cap_read.c

MULECAP_SRC := \
	tools/cap_check.c \
	tools/cap_check_ack.c \
	tools/cap_check_sender.c \
	tools/cap_extract.c \
	tools/cap_feed.c \
	tools/cap_list.c \
	tools/cap_losses.c \
	tools/cap_replay.c \
	tools/cap_replay_engine.c \
	tools/cap_replay_net.c \
	tools/cap_report.c \
	tools/cap_report_draw.c \
	tools/cap_report_page.c \
	tools/cap_rerun.c \
	tools/cap_show.c \
	tools/cap_stats.c \
	tools/cap_tape.c \
	tools/mulecap.c

CAP_TESTS := \
	cap_model \
	cap_read

CAP_FUZZ := \
	cap \
	capture \
	model
