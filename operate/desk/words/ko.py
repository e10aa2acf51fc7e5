"""The desk's Korean. No particle follows a value: `{run}이` would be wrong for half of all names."""

NOTHING = "-"
UNITS = {"d": "일", "h": "시간", "min": "분"}
LATE = "미도착 {late_minutes}."

SENTENCES = {
    "arrived": "도착 {rows}행, {at}.",
    "arrived-late": "도착 {rows}행, {at}. 예정보다 {after_minutes} 늦음.",
    "arrived-quarantined": "도착 {rows}행, {at}. 격리 {quarantined}행.",
    "arrived-undated": "마지막 도착: {at}. 기준일자 모름.",
    "accepted": "완료처리: {by}, {at}. 사유: {reason}",
    "closed": "휴무: {closure}.",
    "expected": "주문 예정: {at}. 도착 예정: {due_at}.",
    "not-ordered": "주문 없음: 주문 예정 {at}, {since_minutes} 지남. 도착 예정: {due_at}.",
    "no-request": "요청도 응답도 없음. 주문 예정: {at}.",
    "unsent": "요청 기록됨: {at}. 전송되지 않음.",
    "unanswered": "요청 전송: {at}. 응답 없음.",
    "deferred": "제휴사 응답 없음, 시도 {tries}회. 다음 시도: {until}. 제휴사 말: {words}",
    "quota": "제휴사 한도 소진. 다시 가능: {until}.",
    "not-loaded": "응답: {at}. 적재 {rows}/{of}행.",
    "empty": "제휴사에 자료 없음, 응답: {at}. 제휴사 말: {words}",
    "refused": "제휴사 거절, 응답: {at}. 제휴사 말: {words}",
    "quarantined": "들어온 {rows}행 모두 격리.",
    "held": "보류: {by}, {at}. 사유: {reason}",
    "blocked": "차단: {at}. 단계 {stage}, 종료 코드 {exit_code}. 사유: {reason}",
    "stuck-lease": "죽은 실행의 임대 남음: {run}, 단계 {stage}, 만료 {at}. 이어받은 실행 없음.",
    "running": "실행 중: {run}, 단계 {stage}, 시작 {at}.",
    "running-blocked": "잠금 대기: 실행 {run}, 대기 시작 {at}. 잠금 보유: 세션 {pid}, {application}, 역할 {role}.",
    "not-watched": "미도착 감시 안 함: 행에 기준일자 없음. 마지막 도착: {at}.",
    "uncovered": "달력에 없는 날짜: {words}",
    "calendar-unknown": "달력을 읽을 수 없음: {words}",
    "database-away": "데이터베이스 응답 없음: {words}",
    "next-order": "다음: 주문 {at}.",
    "next-due": "다음: 도착 예정 시각 {at}. 그 뒤 미도착 보고.",
    "next-retry": "다음: 제휴사에 다시 요청 {at}.",
    "next-run": "지금 실행 중: {run}, 단계 {stage}, 시작 {at}.",
    "next-sweep": "다음: 점검 때 다시 시작, 늦어도 {at}.",
    "next-no-sweep": "점검(sweep) 멈춤: 저절로 시작되는 것 없음.",
    "next-person": "해제할 때까지 아무 일도 없음.",
    "next-nothing": "저절로 일어나는 일 없음.",
    "sweep-never": "이 데이터베이스에서 끝난 점검(sweep) 없음.",
    "sweep-missing": "아무도 지켜보지 않음: 마지막 점검 {at}, {since_minutes} 지남.",
    "sweep-faulty": "오류 없는 마지막 점검: {at}.",
}

STATES = {
    "absent": "미도착",
    "blocked": "차단",
    "unknown": "모름",
    "held": "보류",
    "waiting": "대기",
    "running": "진행",
    "expected": "예정",
    "arrived": "도착",
    "accepted": "완료처리",
    "closed": "휴무",
}
BANDS = {"act": "조치 필요", "open": "진행·대기", "over": "끝남"}
VERBS = {
    "order": "주문",
    "force": "강제주문",
    "hold": "보류",
    "free": "해제",
    "kill": "강제종료",
    "rerun": "재수행",
    "accept": "완료처리",
    "approve": "승인",
    "withdraw": "주문취소",
    "redrive": "재처리",
    "correct": "정정",
    "discard": "폐기",
    "replay": "재적재",
}
