/* When a disk counts as full; that it is obeyed is in tests/test_room.py. */
#include "tests/unit/unit.h"

#include "gateway/room.h"

static void
test_radio_is_held_back_before_mail_is_refused(void **state)
{
	(void)state;
	assert_int_equal(room_next(ROOM_AMPLE, 1600, 800), ROOM_AMPLE);
	assert_int_equal(room_next(ROOM_AMPLE, 1599, 800), ROOM_NO_RADIO);
	assert_int_equal(room_next(ROOM_AMPLE, 800, 800), ROOM_NO_RADIO);
	assert_int_equal(room_next(ROOM_AMPLE, 799, 800), ROOM_NONE);
	assert_int_equal(room_next(ROOM_NO_RADIO, 0, 800), ROOM_NONE);
}

static void
test_recovery_needs_a_little_more_room(void **state)
{
	(void)state;
	assert_int_equal(room_next(ROOM_NONE, 899, 800), ROOM_NONE);
	assert_int_equal(room_next(ROOM_NONE, 900, 800), ROOM_NO_RADIO);
	assert_int_equal(room_next(ROOM_NONE, 1699, 800), ROOM_NO_RADIO);
	assert_int_equal(room_next(ROOM_NO_RADIO, 1699, 800), ROOM_NO_RADIO);
	assert_int_equal(room_next(ROOM_NO_RADIO, 1700, 800), ROOM_AMPLE);
	assert_int_equal(room_next(ROOM_NONE, 1700, 800), ROOM_AMPLE);
}

static void
test_without_a_reserve_any_room_is_ample(void **state)
{
	(void)state;
	assert_int_equal(room_next(ROOM_AMPLE, 0, 0), ROOM_AMPLE);
	assert_int_equal(room_next(ROOM_NONE, 0, 0), ROOM_AMPLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_radio_is_held_back_before_mail_is_refused),
		cmocka_unit_test(test_recovery_needs_a_little_more_room),
		cmocka_unit_test(test_without_a_reserve_any_room_is_ample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
